//! `product`: what a team types that comes from another platform.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ProductCommand {
    /// Bring a product as it is: a Huawei package, or a CTWing service table, becomes a folder with profile, layout and vectors.
    Import(ProductImportArgs),
    /// Write a profile with numeric service ids as a CTWing service table.
    Export(ProductExportArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ProductImportArgs {
    /// The package (zip) or table (csv, json), or a folder with one of them and perhaps a codec jar.
    #[arg(value_name = "PATH")]
    pub(in crate::cli) path: PathBuf,
    /// The folder to make; it must not exist, or be empty. By default it is called as the model.
    #[arg(short, long, value_name = "DIR")]
    pub(in crate::cli) output: Option<PathBuf>,
    /// Known harmless deviations of a package are warnings.
    #[arg(long)]
    pub(in crate::cli) lenient: bool,
    /// `manufacturerId`, where a table does not say it.
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) manufacturer_id: Option<String>,
    /// `model`, where a table does not say it.
    #[arg(long, value_name = "MODEL")]
    pub(in crate::cli) model: Option<String>,
    /// `deviceType`, where a table does not say it.
    #[arg(long, value_name = "TYPE")]
    pub(in crate::cli) device_type: Option<String>,
    /// How the codec of a package begins, which says nothing of bytes: `rust` if there is a jar to port, else `layout`.
    #[arg(long, value_name = "FORM")]
    pub(in crate::cli) begin: Option<Begin>,
    /// Folder of the SDK, for a codec in Rust; by default that of the sources which this program was built from.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) sdk: Option<PathBuf>,
}

/// How a codec begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Begin {
    /// A layout with guessed widths.
    Layout,
    /// A crate with the types.
    Rust,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ProductExportArgs {
    /// The profile.
    #[arg(value_name = "PROFILE")]
    pub(in crate::cli) profile: PathBuf,
    /// The table; `.json` for JSON, else CSV.
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
}
