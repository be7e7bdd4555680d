//! Decides which status codes have a label value of their own.

/// Registered final status codes that a crawler meets, in rising order.
const CODES: [(u16, &str); 47] = [
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (203, "203"),
    (204, "204"),
    (205, "205"),
    (206, "206"),
    (300, "300"),
    (301, "301"),
    (302, "302"),
    (303, "303"),
    (304, "304"),
    (307, "307"),
    (308, "308"),
    (400, "400"),
    (401, "401"),
    (402, "402"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (406, "406"),
    (407, "407"),
    (408, "408"),
    (409, "409"),
    (410, "410"),
    (411, "411"),
    (412, "412"),
    (413, "413"),
    (414, "414"),
    (415, "415"),
    (416, "416"),
    (417, "417"),
    (421, "421"),
    (422, "422"),
    (425, "425"),
    (426, "426"),
    (428, "428"),
    (429, "429"),
    (431, "431"),
    (451, "451"),
    (500, "500"),
    (501, "501"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
    (505, "505"),
    (511, "511"),
];

/// What every other status is counted as, by its first digit; the last one stands for all that have none of 1 to 5.
const OTHERS: [&str; 6] = ["other_1xx", "other_2xx", "other_3xx", "other_4xx", "other_5xx", "other"];

/// Returns every label value, at the place that [`index`] gives it.
pub(crate) fn values() -> impl Iterator<Item = &'static str> {
    CODES.into_iter().map(|(_, name)| name).chain(OTHERS)
}

/// Returns the place of a status among the label values; `None` is a response without a status.
pub(crate) fn index(status: Option<u16>) -> usize {
    let status = status.unwrap_or_default();
    CODES.binary_search_by_key(&status, |(code, _)| *code).unwrap_or_else(|_| {
        let other = match status / 100 {
            hundreds @ 1..=5 => usize::from(hundreds) - 1,
            _ => OTHERS.len() - 1,
        };
        CODES.len() + other
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_counted_under_its_own_name_or_its_class() {
        let check = |status, expected: &str| assert_eq!(values().nth(index(status)), Some(expected));
        check(Some(200), "200");
        check(Some(511), "511");
        check(Some(103), "other_1xx");
        check(Some(299), "other_2xx");
        check(Some(306), "other_3xx");
        check(Some(418), "other_4xx");
        check(Some(599), "other_5xx");
        check(Some(999), "other");
        check(Some(0), "other");
        check(None, "other");
    }

    #[test]
    fn the_codes_rise_and_are_named_after_themselves() {
        assert!(CODES.is_sorted_by_key(|(code, _)| *code));
        assert!(CODES.iter().all(|(code, name)| code.to_string() == *name));
        assert_eq!(values().collect::<std::collections::BTreeSet<_>>().len(), CODES.len() + OTHERS.len());
    }
}
