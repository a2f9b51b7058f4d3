//! Where a version trapped: distinct places with how often, the first payload that led there, and what the author needs to see.
//! Bounded; knows no engine.

use std::sync::Arc;

use crate::model::Timestamp;

/// Most places that are told apart; more traps are only counted.
const MOST: usize = 16;
/// Most bytes of a place's text.
const TEXT: usize = 400;

/// A place in a codec where calls end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Site {
    /// `trap` or `deadline`.
    pub code: &'static str,
    /// The author's innermost function and the export that was called.
    pub function: String,
    /// Why; not part of what tells places apart, since panics often quote the payload.
    pub message: String,
}

impl Site {
    fn is(&self, other: &Self) -> bool {
        (self.code, &self.function) == (other.code, &other.function)
    }
}

/// What is known of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing so far: look at it.
    First,
    /// It was looked at, or is about to be; the frames once they are known.
    Known(Option<Arc<[String]>>),
    /// There are too many places.
    Uncounted,
}

/// A place as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteView {
    /// Which.
    pub site: Site,
    /// How often.
    pub count: u64,
    /// The first payload that led there.
    pub payload: Vec<u8>,
    /// The author's functions, innermost first.
    pub frames: Arc<[String]>,
    /// Whether the frames tell file and line as far as the component carries them.
    pub explained: bool,
    /// When it was seen first.
    pub first: Timestamp,
    /// When it was seen last.
    pub last: Timestamp,
}

#[derive(Default)]
pub(super) struct Sites {
    known: Vec<SiteView>,
}

impl Sites {
    pub(super) fn seen(&mut self, site: Site, payload: &[u8], frames: &[String], now: Timestamp) -> Seen {
        if let Some(known) = self.known.iter_mut().find(|known| known.site.is(&site)) {
            known.count = known.count.saturating_add(1);
            known.last = now;
            return Seen::Known(known.explained.then(|| Arc::clone(&known.frames)));
        }
        if self.known.len() >= MOST {
            return Seen::Uncounted;
        }
        let message = cut(site.message);
        let site = Site { function: cut(site.function), message, ..site };
        let frames = frames.iter().cloned().map(cut).collect();
        self.known.push(SiteView { site, count: 1, payload: payload.to_vec(), frames, explained: false, first: now, last: now });
        Seen::First
    }

    pub(super) fn explained(&mut self, site: &Site, frames: Vec<String>) {
        if let Some(known) = self.known.iter_mut().find(|known| known.site.is(site)) {
            if !frames.is_empty() {
                known.frames = frames.into_iter().map(cut).collect();
            }
            known.explained = true;
        }
    }

    pub(super) fn view(&self) -> Vec<SiteView> {
        let mut known = self.known.clone();
        known.sort_by_key(|site| std::cmp::Reverse(site.count));
        known
    }
}

/// At a character, after [`TEXT`] bytes.
fn cut(mut text: String) -> String {
    if let Some(end) = (0..=TEXT).rev().find(|at| text.is_char_boundary(*at)).filter(|_| text.len() > TEXT) {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(function: &str, message: &str) -> Site {
        Site { code: "trap", function: function.to_owned(), message: message.to_owned() }
    }

    #[test]
    fn a_place_is_looked_at_once_and_counted_always() {
        let mut sites = Sites::default();
        let frames = ["meter::parse".to_owned()];
        assert_eq!(sites.seen(site("meter::parse", "index 7"), &[7], &frames, Timestamp(1)), Seen::First);
        assert_eq!(sites.seen(site("meter::parse", "index 8"), &[8], &frames, Timestamp(2)), Seen::Known(None));
        sites.explained(&site("meter::parse", "any"), vec!["meter::parse (src/lib.rs:12)".to_owned()]);
        let Seen::Known(Some(known)) = sites.seen(site("meter::parse", "index 9"), &[9], &frames, Timestamp(3)) else { panic!() };
        assert_eq!(*known, ["meter::parse (src/lib.rs:12)".to_owned()]);
        let view = sites.view();
        assert_eq!((view[0].count, view[0].payload.as_slice(), view[0].explained), (3, &[7_u8][..], true));
        assert_eq!((view[0].first, view[0].last), (Timestamp(1), Timestamp(3)));
    }

    #[test]
    fn places_and_texts_are_bounded() {
        let mut sites = Sites::default();
        for n in 0..100 {
            let seen = sites.seen(site(&format!("f{n}"), &"é".repeat(1_000)), &[], &[], Timestamp(0));
            assert_eq!(seen, if n < MOST { Seen::First } else { Seen::Uncounted });
        }
        assert!(sites.view().len() == MOST && sites.view()[0].site.message.len() <= TEXT);
    }
}
