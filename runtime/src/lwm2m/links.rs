//! The payload of a Register: object and instance paths in CoRE link format (RFC 6690, LwM2M Core 6.2.1). Attributes are
//! skipped, except `rt="oma.lwm2m"`, whose link names the root that the other paths lie under, and there `ct`, the content
//! formats that the device takes.

/// Most paths of one registration.
pub(super) const MAX_PATHS: usize = 128;
/// Most bytes of one path.
const MAX_PATH_BYTES: usize = 64;

/// Most content formats of one registration.
const MAX_FORMATS: usize = 16;

/// Paths such as `/19/0`, in their order, without the root, and content formats. None if it is no link format or has too many links.
pub(super) fn read(payload: &[u8]) -> Option<(Vec<String>, Vec<u16>)> {
    let text = std::str::from_utf8(payload).ok()?.trim_matches(|c: char| c == '\0' || c.is_ascii_whitespace());
    let (mut root, mut paths, mut formats) = ("", Vec::new(), Vec::new());
    let mut rest = text;
    while !rest.is_empty() {
        let (link, behind) = split_outside_quotes(rest);
        let (target, attributes) = link.trim().strip_prefix('<')?.split_once('>')?;
        let fits = target.len() <= MAX_PATH_BYTES && target.bytes().all(|b| b.is_ascii_graphic());
        if !fits || !(attributes.is_empty() || attributes.starts_with(';')) {
            return None;
        }
        if attributes.split(';').any(|a| matches!(a.trim(), "rt=\"oma.lwm2m\"" | "rt=oma.lwm2m")) {
            root = target.trim_end_matches('/');
            formats = formats_of(attributes);
        } else if target != "/" {
            paths.push(target);
        }
        if paths.len() > MAX_PATHS {
            return None;
        }
        rest = behind;
    }
    let below = |path: &str| -> String {
        let path = path.strip_prefix(root).filter(|path| path.starts_with('/')).unwrap_or(path);
        if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
    };
    Some((paths.into_iter().map(below).collect(), formats))
}

/// `ct=112` or `ct="60 110 112"`; what is no number is left out.
fn formats_of(attributes: &str) -> Vec<u16> {
    let of = attributes.split(';').find_map(|attribute| attribute.trim().strip_prefix("ct="));
    let numbers = of.unwrap_or_default().split(|c: char| !c.is_ascii_digit());
    numbers.filter_map(|number| number.parse().ok()).take(MAX_FORMATS).collect()
}

/// Up to the first comma that is not inside quotation marks, and what follows it.
fn split_outside_quotes(text: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => return (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paths(payload: &[u8]) -> Option<Vec<String>> {
        read(payload).map(|(paths, _)| paths)
    }

    #[test]
    fn formats_are_those_of_the_root() {
        for (payload, expected) in [
            ("</>;rt=\"oma.lwm2m\";ct=11543,</3/0>", vec![11_543]),
            ("</>;ct=\"60 110 112 11542\";rt=\"oma.lwm2m\"", vec![60, 110, 112, 11_542]),
            ("</>;rt=\"oma.lwm2m\",</3/0>;ct=60", vec![]),
            ("</>;rt=oma.lwm2m;ct=x 99999 42", vec![42]),
        ] {
            assert_eq!(read(payload.as_bytes()).unwrap().1, expected, "{payload}");
        }
    }

    #[test]
    fn registration_payloads_of_real_clients() {
        for (payload, expected) in [
            ("", vec![]),
            ("</>;rt=\"oma.lwm2m\",</1/0>,</2>,</19/0>,</19/1>", vec!["/1/0", "/2", "/19/0", "/19/1"]),
            ("</>;ct=11543;rt=\"oma.lwm2m\", </1/0>;ver=1.1, </3/0>", vec!["/1/0", "/3/0"]),
            ("</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/1/0>,</lwm2m/19/0>", vec!["/1/0", "/19/0"]),
            ("<1/0>,<3/0>", vec!["/1/0", "/3/0"]),
            ("</1/0>;title=\"a, b\",</3>", vec!["/1/0", "/3"]),
            ("</3/0>,</19/0>\0", vec!["/3/0", "/19/0"]),
        ] {
            assert_eq!(paths(payload.as_bytes()).unwrap(), expected, "{payload}");
        }
    }

    #[test]
    fn what_is_no_link_format_is_refused() {
        let many = vec!["</1/0>"; MAX_PATHS + 1].join(",");
        for payload in ["hello", "</1/0", "</1/0>x", "</1/0>,/3", "</1 0>", "<\u{e9}>", many.as_str()] {
            assert_eq!(paths(payload.as_bytes()), None, "{payload}");
        }
        assert_eq!(paths(&[0xff, 0xfe]), None);
    }

    proptest! {
        #[test]
        fn any_payload_is_read_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = paths(&payload);
        }

        #[test]
        fn any_text_is_read_or_refused(payload in "[<>/;,\"a0=é]{0,60}") {
            if let Some(paths) = paths(payload.as_bytes()) {
                prop_assert!(paths.iter().all(|path| path.starts_with('/')));
            }
        }
    }
}
