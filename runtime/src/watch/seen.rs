//! Which files are ready: found alike twice in a row, and not judged yet. Pure; knows names, sizes and times only.

use std::collections::HashMap;
use std::time::SystemTime;

/// A file as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

/// What the looks before found.
#[derive(Debug, Default)]
pub(super) struct Seen {
    files: HashMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    found: Found,
    judged: bool,
}

impl Seen {
    /// Takes what one look found; gives the names of those that are ready, which count as judged from now on.
    pub(super) fn ready(&mut self, found: Vec<Found>) -> Vec<String> {
        let mut ready = Vec::new();
        let mut files = HashMap::with_capacity(found.len());
        for file in found {
            let mut judged = false;
            if let Some(known) = self.files.remove(&file.name)
                && known.found == file
            {
                if !known.judged {
                    ready.push(file.name.clone());
                }
                judged = true;
            }
            files.insert(file.name.clone(), Known { found: file, judged });
        }
        self.files = files;
        ready
    }

    /// Judge it again.
    pub(super) fn forget(&mut self, name: &str) {
        self.files.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn file(name: &str, size: u64, second: u64) -> Found {
        Found { name: name.to_owned(), size, modified: SystemTime::UNIX_EPOCH + Duration::from_secs(second) }
    }

    #[test]
    fn a_file_is_ready_when_it_stands_still_and_again_when_it_changed() {
        let mut seen = Seen::default();
        for (found, ready) in [
            (vec![file("a", 1, 1)], vec![]),
            (vec![file("a", 2, 2)], vec![]),
            (vec![file("a", 2, 2), file("b", 1, 1)], vec!["a"]),
            (vec![file("a", 2, 2), file("b", 1, 1)], vec!["b"]),
            (vec![file("a", 2, 2), file("b", 1, 1)], vec![]),
            (vec![file("a", 2, 9)], vec![]),
            (vec![file("a", 2, 9)], vec!["a"]),
            (vec![], vec![]),
            (vec![file("a", 2, 9)], vec![]),
            (vec![file("a", 2, 9)], vec!["a"]),
        ] {
            assert_eq!(seen.ready(found.clone()), ready, "{found:?}");
        }
        seen.forget("a");
        assert_eq!(seen.ready(vec![file("a", 2, 9)]), [""; 0]);
        assert_eq!(seen.ready(vec![file("a", 2, 9)]), ["a"]);
    }
}
