//! `plugin layout`: what those type who write codecs without code.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LayoutCommand {
    /// Check a layout against its profile; every mistake is told with JSON pointer, reason and fix.
    Check(LayoutArgs),
    /// Make a component or a package of a layout.
    Build(LayoutBuildArgs),
    /// Show every message as a table: offset, length, field, type, example.
    Explain(LayoutExplainArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct LayoutArgs {
    /// Folder with layout.json and profile.json, a layout with its profile beside it, or a package.
    #[arg(value_name = "DIR|FILE")]
    pub(in crate::cli) path: PathBuf,
    /// Print the mistakes as JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct LayoutBuildArgs {
    /// Folder with layout.json and profile.json, or a layout with its profile beside it.
    #[arg(value_name = "DIR|FILE")]
    pub(in crate::cli) path: PathBuf,
    /// Write the component here.
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
    /// Write the package here: component, profile, vectors, manifest, and the layout to edit it again.
    #[arg(short, long, value_name = "FILE.codec")]
    pub(in crate::cli) package: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct LayoutExplainArgs {
    /// Folder with layout.json and profile.json, a layout with its profile beside it, or a package.
    #[arg(value_name = "DIR|FILE")]
    pub(in crate::cli) path: PathBuf,
    /// Print the tables as JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}
