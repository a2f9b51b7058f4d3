//! Operations of a server on a device and what comes of them (LwM2M Core 1.1 6.3, 6.4).
//!
//! Says what to ask and what an answer means; sends nothing and remembers nothing. Which content format is used follows from
//! what the device offers, unless the caller names one.

#[cfg(test)]
mod ets;
#[cfg(test)]
mod ets_composite;
mod offer;
mod outcome;
mod rules;
#[cfg(test)]
mod tests;

use crate::coap::Code;

use super::ask::Ask;
use super::content::{Attributes, Datum, Format, Mistake, encode};
use super::path::{Level, Path};

pub use offer::Offer;
pub use outcome::{Outcome, meaning};

/// What is asked of a device.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Values at and below a path. Without a format the device chooses.
    Read {
        /// object, instance, resource or resource instance
        path: Path,
        /// wanted format
        format: Option<Format>,
    },
    /// Gives values.
    Write {
        /// instance, resource or resource instance
        path: Path,
        /// whether what is not named stays
        writing: Writing,
        /// at and below the path
        values: Vec<Datum>,
        /// format to send them in
        format: Option<Format>,
    },
    /// Runs what a resource stands for.
    Execute {
        /// resource
        path: Path,
        /// such as `0='5',1`; empty for none
        arguments: String,
    },
    /// Makes an instance.
    Create {
        /// object
        path: Path,
        /// its number; the device chooses if there is none
        instance: Option<u16>,
        /// paths in the instance, or in any one instance if the device chooses its number
        values: Vec<Datum>,
        /// format to send them in
        format: Option<Format>,
    },
    /// Removes an instance, or since 1.2 a resource instance.
    Delete {
        /// what
        path: Path,
    },
    /// What there is at a path, with attributes.
    Discover {
        /// object, instance or resource
        path: Path,
    },
    /// Says when values are notified.
    WriteAttributes {
        /// object, instance, resource or resource instance
        path: Path,
        /// what is set
        attributes: Attributes,
        /// names of what is unset
        unset: Vec<String>,
    },
    /// Values now and whenever they change.
    Observe {
        /// object, instance, resource or resource instance
        path: Path,
        /// wanted format
        format: Option<Format>,
    },
    /// No more of that. The message needs the token of the observation (RFC 7641 3.6).
    CancelObserve {
        /// what was observed
        path: Path,
    },
    /// Values of several paths.
    ReadComposite {
        /// any levels, also the root
        paths: Vec<Path>,
    },
    /// Gives values of several objects, all or none.
    WriteComposite {
        /// resources and resource instances
        values: Vec<Datum>,
    },
    /// Values of several paths now and whenever one changes.
    ObserveComposite {
        /// any levels
        paths: Vec<Path>,
    },
    /// No more of that. As [`Operation::CancelObserve`].
    CancelObserveComposite {
        /// what was observed
        paths: Vec<Path>,
    },
}

/// What a Write does to what it does not name (LwM2M Core 1.1 6.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// It goes: PUT.
    Replace,
    /// It stays: POST.
    Update,
}

impl Operation {
    /// What is wrong with it, for a device with this offer: all at once, nothing if it can be asked.
    #[must_use]
    pub fn mistakes(&self, offer: &Offer) -> Vec<Mistake> {
        rules::mistakes(self, offer)
    }

    /// The path that it is about; the root if they are several.
    #[must_use]
    pub fn path(&self) -> Path {
        match self {
            Self::Read { path, .. }
            | Self::Write { path, .. }
            | Self::Execute { path, .. }
            | Self::Create { path, .. }
            | Self::Delete { path }
            | Self::Discover { path }
            | Self::WriteAttributes { path, .. }
            | Self::Observe { path, .. }
            | Self::CancelObserve { path } => *path,
            Self::ReadComposite { .. }
            | Self::WriteComposite { .. }
            | Self::ObserveComposite { .. }
            | Self::CancelObserveComposite { .. } => Path::ROOT,
        }
    }

    /// As the specification calls it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Read { .. } => "Read",
            Self::Write { .. } => "Write",
            Self::Execute { .. } => "Execute",
            Self::Create { .. } => "Create",
            Self::Delete { .. } => "Delete",
            Self::Discover { .. } => "Discover",
            Self::WriteAttributes { .. } => "Write-Attributes",
            Self::Observe { .. } => "Observe",
            Self::CancelObserve { .. } => "Cancel Observation",
            Self::ReadComposite { .. } => "Read-Composite",
            Self::WriteComposite { .. } => "Write-Composite",
            Self::ObserveComposite { .. } => "Observe-Composite",
            Self::CancelObserveComposite { .. } => "Cancel Observation-Composite",
        }
    }

    /// Whether asking twice leaves the device as asking once does, so that it may be asked again when no answer came.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        !matches!(self, Self::Execute { .. } | Self::Create { .. })
    }

    /// The request, in the best format that the device offers.
    ///
    /// # Errors
    /// All mistakes of [`Operation::mistakes`], or why the format cannot carry the values.
    pub fn ask(&self, offer: &Offer) -> Result<Ask, Vec<Mistake>> {
        let mistakes = self.mistakes(offer);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let path = self.path();
        let plain = |code| Ask::new(code, path.segments());
        let with = |code, format: Format, base: &Path, values: &[Datum]| match encode(format, base, values) {
            Ok(payload) => Ok(plain(code).with_payload(format.number(), payload)),
            Err(error) => Err(vec![Mistake::new(path, error.to_string())]),
        };
        let composite = |code, observe, values: &[Datum]| {
            let format = offer.for_composite();
            let ask = with(code, format, &Path::ROOT, values)?;
            let accept = (code == Code::FETCH).then(|| format.number());
            Ok(Ask { observe, accept, ..ask })
        };
        match self {
            Self::Read { format, .. } => Ok(Ask { accept: format.map(Format::number), ..plain(Code::GET) }),
            Self::Observe { format, .. } => Ok(Ask { observe: Some(0), accept: format.map(Format::number), ..plain(Code::GET) }),
            Self::CancelObserve { .. } => Ok(Ask { observe: Some(1), ..plain(Code::GET) }),
            Self::Discover { .. } => Ok(Ask { accept: Some(Format::Link.number()), ..plain(Code::GET) }),
            Self::Write { writing, values, format, .. } => {
                let code = if *writing == Writing::Replace { Code::PUT } else { Code::POST };
                with(code, format.unwrap_or_else(|| offer.for_write(&path, values)), &path, values)
            }
            Self::Execute { arguments, .. } if arguments.is_empty() => Ok(plain(Code::POST)),
            Self::Execute { arguments, .. } => {
                Ok(plain(Code::POST).with_payload(Format::Text.number(), arguments.clone().into_bytes()))
            }
            Self::Create { instance, values, format, .. } => {
                // Only TLV can leave the number to the device (LwM2M Core 1.1 6.3.7).
                let chosen = if instance.is_some() { offer.for_several() } else { Format::Tlv };
                let format = format.unwrap_or(chosen);
                match (instance, values.as_slice()) {
                    (None, []) => Ok(plain(Code::POST)),
                    (None, [first, ..]) => {
                        let made = Path::new(first.path.ids().get(..2).unwrap_or_default()).unwrap_or(path);
                        with(Code::POST, format, &made, values)
                    }
                    (Some(id), []) => {
                        let made = path.child(*id).unwrap_or(path);
                        with(Code::POST, format, &path, &[Datum::new(made, super::content::Value::None)])
                    }
                    (Some(_), values) => with(Code::POST, format, &path, values),
                }
            }
            Self::Delete { .. } => Ok(plain(Code::DELETE)),
            Self::WriteAttributes { attributes, unset, .. } => {
                let query = attributes.parameters().into_iter().chain(unset.iter().cloned()).collect();
                Ok(Ask { query, ..plain(Code::PUT) })
            }
            Self::ReadComposite { paths } => composite(Code::FETCH, None, &asked(paths)),
            Self::ObserveComposite { paths } => composite(Code::FETCH, Some(0), &asked(paths)),
            Self::CancelObserveComposite { paths } => composite(Code::FETCH, Some(1), &asked(paths)),
            Self::WriteComposite { values } => composite(Code::IPATCH, None, values),
        }
    }
}

/// Paths as records without values.
fn asked(paths: &[Path]) -> Vec<Datum> {
    paths.iter().map(|path| Datum::new(*path, super::content::Value::None)).collect()
}

/// Whether a path leads to values themselves.
fn is_value(path: &Path) -> bool {
    path.level() >= Level::Resource
}
