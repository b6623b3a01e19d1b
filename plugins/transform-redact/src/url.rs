//! URLs: what stands in them behind the path, and who logs in with them.

use crate::hash::Hasher;

/// `url` without credentials, query string and fragment; with `hasher`, the hash of the last two is left in their place.
/// `None` if there is nothing to cut off.
pub(crate) fn cut(url: &str, hasher: Option<&Hasher>) -> Option<String> {
    let (before, tail) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
    let mut cut = without_credentials(before);
    let mut tail = tail.chars();
    if let (Some(separator), Some(hasher)) = (tail.next(), hasher) {
        cut.push(separator);
        cut.push_str(&hasher.hash(tail.as_str().as_bytes()));
    }
    (cut != url).then_some(cut)
}

/// `text` with all URLs in it cut that begin with a scheme; `None` if there is nothing to cut off.
pub(crate) fn cut_all(text: &str, hasher: Option<&Hasher>) -> Option<String> {
    if !text.contains("://") {
        return None;
    }
    let mut is_cut = false;
    let mut cut_text = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        let (word, space) = word.split_at(word.trim_end().len());
        let cut_word = word.contains("://").then(|| cut(word, hasher)).flatten();
        is_cut |= cut_word.is_some();
        cut_text.push_str(cut_word.as_deref().unwrap_or(word));
        cut_text.push_str(space);
    }
    is_cut.then_some(cut_text)
}

/// Of all URLs in `text`, which may be several with commas or brackets between them.
fn without_credentials(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let (before, after) = rest.split_at(scheme + 3);
        kept.push_str(before);
        let host = &after[..after.find('/').unwrap_or(after.len())];
        rest = &after[host.rfind('@').map_or(0, |at| at + 1)..];
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use landfall_core::Secret;

    use super::*;

    #[test]
    fn all_behind_the_path_is_cut_off_with_credentials_before_the_host() {
        for (url, expected) in [
            ("https://a.example/b?c=d", "https://a.example/b"),
            ("https://a.example/b#/c?d", "https://a.example/b"),
            ("https://jo:pw@a.example", "https://a.example"),
            ("https://jo@x:p@a.example/b@c?d", "https://a.example/b@c"),
            ("http://a/,http://jo:pw@b/", "http://a/,http://b/"),
            ("http://a,http://jo@b", "http://a,http://b"),
            ("/b?c", "/b"),
            ("?c", ""),
        ] {
            assert_eq!(cut(url, None).as_deref(), Some(expected));
            assert_eq!(cut(expected, None), None);
        }
        assert_eq!(cut("end-flow", None), None);
    }

    #[test]
    fn urls_are_found_in_texts() {
        let text = "see https://a.example/?b=c and\n<a href=\"http://d/#e\">f</a>, or why? ";
        let expected = "see https://a.example/ and\n<a href=\"http://d/ or why? ";
        assert_eq!(cut_all(text, None).as_deref(), Some(expected));
        assert_eq!(cut_all(expected, None), None);
    }

    #[test]
    fn a_hash_stands_for_what_was_cut_off_and_stays() {
        let hasher = Hasher::new(&Secret::new("0123456789abcdef"));
        let expected = format!("https://a.example/?{}", hasher.hash(b"b=c#d"));
        let hashed = cut("https://a.example/?b=c#d", Some(&hasher));
        assert_eq!(hashed.as_deref(), Some(&*expected));
        assert_eq!(cut(&expected, Some(&hasher)), None);
    }
}
