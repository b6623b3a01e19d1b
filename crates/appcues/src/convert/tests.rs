use super::*;

fn millis(raw: &str) -> Option<i64> {
    timestamp(raw).ok()?.map(Timestamp::as_millis)
}

#[test]
fn text_is_copied_only_to_unescape_it() {
    assert!(matches!(string(r#""é""#), Ok(Some(Cow::Borrowed("é")))));
    assert!(
        matches!(string(r#""a\u0000\n\ud83d\ude00""#), Ok(Some(Cow::Owned(text))) if text == "a\0\n😀")
    );
}

#[test]
fn numbers_and_booleans_are_text_as_they_are_written() {
    for raw in [
        "1e999",
        "-0.10",
        "123456789012345678901234567890",
        "true",
        "false",
    ] {
        assert_eq!(string(raw), Ok(Some(raw.into())));
    }
}

#[test]
fn lists_objects_and_half_surrogates_are_no_text() {
    for raw in ["[]", r#"{"a":1}"#, r#""\ud800""#] {
        assert!(string(raw).is_err(), "{raw}");
    }
}

#[test]
fn null_is_absent_in_every_type() {
    assert_eq!(string("null"), Ok(None));
    assert_eq!(int32("null"), Ok(None));
    assert_eq!(int64("null"), Ok(None));
    assert_eq!(boolean("null"), Ok(None));
    assert_eq!(timestamp("null"), Ok(None));
    assert_eq!(list("null"), Ok(None));
}

#[test]
fn whole_numbers_are_integers_however_they_are_written() {
    for raw in [
        "10",
        "10.0",
        "1e1",
        "100E-1",
        r#""10""#,
        r#"" 10.0 ""#,
        r#""\u00310""#,
    ] {
        assert_eq!(int64(raw), Ok(Some(10)), "{raw}");
    }
    assert_eq!(int64("-9223372036854775808"), Ok(Some(i64::MIN)));
    assert_eq!(int64("-0.0"), Ok(Some(0)));
}

#[test]
fn what_is_no_integer_or_not_exact_does_not_fit() {
    let no_integers = [
        "10.5",
        r#""ten""#,
        r#""""#,
        "true",
        "[]",
        "{}",
        "1e999",
        r#""inf""#,
        r#""NaN""#,
        "9223372036854775808",
        "9007199254740993.0",
    ];
    for raw in no_integers {
        assert!(int64(raw).is_err(), "{raw}");
    }
    assert_eq!(int32("2147483647"), Ok(Some(i32::MAX)));
    assert!(int32("2147483648").is_err());
}

#[test]
fn booleans_may_be_written_as_strings() {
    assert_eq!(boolean("true"), Ok(Some(true)));
    assert_eq!(boolean(r#""false""#), Ok(Some(false)));
    assert!(boolean("1").is_err());
    assert!(boolean(r#""yes""#).is_err());
}

#[test]
fn times_are_epoch_milliseconds_or_rfc_3339() {
    let same = [
        "1684439316293",
        "1684439316293.9",
        "1.684439316293e12",
        r#""1684439316293""#,
        r#""2023-05-18T19:48:36.293Z""#,
        r#""2023-05-18T21:48:36.293999+02:00""#,
    ];
    for raw in same {
        assert_eq!(millis(raw), Some(1_684_439_316_293), "{raw}");
    }
    assert_eq!(millis("-0.5"), Some(-1));
    assert_eq!(millis(r#""1969-12-31T23:59:59.9995Z""#), Some(-1));
}

#[test]
fn times_are_in_the_years_1_to_9999() {
    assert_eq!(
        millis(r#""0001-01-01T00:00:00Z""#),
        Some(-62_135_596_800_000)
    );
    assert_eq!(millis("253402300799999"), Some(253_402_300_799_999));
    let outside = [
        "-62135596800001",
        "253402300800000",
        "1e999",
        "-1e999",
        r#""NaN""#,
        r#""-0001-01-01T00:00:00Z""#,
        r#""2023-05-18""#,
        r#""""#,
        "[]",
    ];
    for raw in outside {
        assert_eq!(timestamp(raw).map_err(|_| ()), Err(()), "{raw}");
    }
}

#[test]
fn a_list_is_split_into_the_texts_of_its_elements() {
    assert_eq!(
        list(r#"[1, {"a": "\ud800"},null]"#),
        Ok(Some(vec!["1", r#"{"a": "\ud800"}"#, "null"]))
    );
    assert!(list("{}").is_err());
}

#[test]
fn a_mismatch_shows_what_was_expected_and_a_short_form_of_what_came() {
    assert_eq!(
        int32(r#""ten""#).unwrap_err().to_string(),
        r#"expected an integer, got "ten""#
    );
    let long = format!("[{}]", "é".repeat(100));
    let shown = string(&long).unwrap_err().to_string();
    assert_eq!(
        shown,
        format!("expected a string, got [{}…", "é".repeat(39))
    );
}
