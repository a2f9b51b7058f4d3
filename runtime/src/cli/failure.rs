//! How a command ends: an exit code, and for a failure what to tell. Knows no command.

use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Done,
    /// 1: a check found mistakes, or the work failed.
    Failed,
    /// 2: wrong use or configuration; nothing was done.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Usage => Self::from(2),
        }
    }
}

/// Why a command did not do what it was asked, in words for its user.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    message: String,
    #[source]
    cause: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
}

impl Failure {
    /// The work failed.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into(), cause: None, hint: None }
    }

    /// The arguments or the configuration are wrong.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::failed(message) }
    }

    /// What lies behind it; its own causes are told as well.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A file or folder named on the command line cannot be read.
    #[must_use]
    pub fn unreadable(path: &Path, cause: io::Error) -> Self {
        Self::usage(format!("cannot read {}", path.display())).because(cause)
    }

    /// A file named on the command line cannot be written.
    #[must_use]
    pub fn unwritable(path: &Path, cause: io::Error) -> Self {
        Self::usage(format!("cannot write {}", path.display())).because(cause)
    }

    /// Message, chain of causes, hint. Says nothing when the reader of our output has gone (`codecgate ... | head`).
    pub(super) fn tell(&self, err: &mut dyn Write) {
        if self.is_broken_pipe() {
            return;
        }
        let mut text = format!("error: {self}\n");
        let (mut cause, mut said) = (self.source(), self.message.clone());
        while let Some(deeper) = cause {
            let words = deeper.to_string();
            // Some errors repeat their source in their own text.
            if !said.contains(&words) {
                text.push_str(&format!("  because: {words}\n"));
            }
            (cause, said) = (deeper.source(), words);
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("hint: {hint}\n"));
        }
        let _ = err.write_all(text.as_bytes());
    }

    fn is_broken_pipe(&self) -> bool {
        let io = self.cause.as_ref().and_then(|cause| cause.downcast_ref::<io::Error>());
        io.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    }
}

/// What we write cannot be written.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::failed("cannot write the output").because(error)
    }
}

/// What `app` and the tools over it could not do.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let message = error.to_string();
        let mut failure = Self::failed(message);
        failure.cause = Some(error.into());
        failure
    }
}
