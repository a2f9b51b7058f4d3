//! The nearest known name to a misspelt one. Knows nothing of documents.

/// Names longer than this are not compared: no person misspells them by a letter.
const MAX_CHARS: usize = 128;

/// The candidate that the writer most likely meant: equal but for case, or at most a third of its letters away.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.chars().take(MAX_CHARS + 1).flat_map(char::to_lowercase).collect();
    if wanted.is_empty() || wanted.len() > MAX_CHARS {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let known: Vec<char> = candidate.chars().take(MAX_CHARS + 1).flat_map(char::to_lowercase).collect();
        let allowed = (wanted.len().max(known.len()) / 3).clamp(1, 4);
        if known.len().abs_diff(wanted.len()) > allowed {
            continue;
        }
        let distance = edits(&wanted, &known);
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// "write `x`", or the names that there are.
pub(crate) fn advice(name: &str, candidates: &[&str]) -> String {
    if let Some(candidate) = nearest(name, candidates.iter().copied()) {
        return format!("did you mean `{candidate}`?");
    }
    if candidates.is_empty() {
        return "remove it; there are none here".to_owned();
    }
    let shown: Vec<String> = candidates.iter().take(12).map(|candidate| format!("`{candidate}`")).collect();
    let more = if candidates.len() > shown.len() { ", ..." } else { "" };
    format!("known here: {}{more}", shown.join(", "))
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one to the other (optimal string alignment).
fn edits(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut from_before = None;
    for (row, &a) in from.iter().enumerate() {
        let mut next = Vec::with_capacity(to.len() + 1);
        let mut left = row + 1;
        next.push(left);
        let mut to_before = None;
        for (column, &b) in to.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut least = (at(&last, column) + usize::from(a != b)).min(at(&last, column + 1) + 1).min(left + 1);
            if from_before == Some(b) && to_before == Some(a) && column > 0 {
                least = least.min(at(&before, column - 1) + 1);
            }
            next.push(least);
            left = least;
            to_before = Some(b);
        }
        before = std::mem::replace(&mut last, next);
        from_before = Some(a);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["serviceId", "properties", "commands", "min"];
        for (name, expected) in [
            ("serviceID", Some("serviceId")),
            ("sevriceId", Some("serviceId")),
            ("propertys", Some("properties")),
            ("mni", Some("min")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }

    #[test]
    fn a_swap_of_neighbours_is_one_edit() {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(edits(&letters("serivce"), &letters("service")), 1);
        assert_eq!(edits(&letters("kitten"), &letters("sitting")), 3);
        assert_eq!(edits(&letters(""), &letters("abc")), 3);
    }
}
