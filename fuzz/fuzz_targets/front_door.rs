//! What anybody may send to the source: a line with `X-Apc-Signature`, one with `X-Apc-Timestamp`, then the body.
//!
//! `{hex}`, `{HEX}`, `{base64}` and `{base64url}` in the first line stand for the true digest, which chance would never
//! find. A request may be accepted exactly if what is written here again, with nothing but SHA-256, accepts it; and
//! from what was signed once no second request may be made.
#![no_main]

use bytes::Bytes;
use landfall_appcues::Verifier;
use landfall_core::{Secret, Timestamp};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};

const SECRET: &str = "account secret key";
const NOW_MILLIS: i64 = 1_684_439_316_408;
const TOLERANCE_SECS: [u64; 2] = [300, 0];

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let (Some(signature), Some(timestamp), Some(body)) = (lines.next(), lines.next(), lines.next())
    else {
        return;
    };
    let message = [timestamp, b":", body].concat();
    let digest = hmac_sha256(SECRET.as_bytes(), &message);
    let signature = filled_in(signature, &digest);

    for tolerance_secs in TOLERANCE_SECS {
        let verifier = Verifier::new(["another", SECRET].map(Secret::new), tolerance_secs);
        let accepts = |timestamp: &[u8], body: &[u8]| {
            let now = Timestamp::from_millis(NOW_MILLIS);
            let claim = verifier.claim(&signature, timestamp, now);
            claim.is_ok_and(|claim| {
                let verified = verifier.verify(&claim, Bytes::copy_from_slice(body));
                verified.is_ok_and(|verified| verified.into_bytes() == body)
            })
        };
        let accepted = accepts(timestamp, body);
        let is_recent = read_time(timestamp).is_some_and(|millis| {
            tolerance_secs == 0 || millis.abs_diff(NOW_MILLIS) <= tolerance_secs * 1000
        });
        assert_eq!(
            accepted,
            read_digest(&signature) == Some(digest) && is_recent
        );
        if accepted {
            let colons = (0..message.len()).filter(|at| message[*at] == b':');
            let ways = colons.filter(|at| accepts(&message[..*at], &message[at + 1..]));
            assert_eq!(ways.count(), 1, "one signature for several requests");
        }
    }
});

fn filled_in(signature: &[u8], digest: &[u8; 32]) -> Vec<u8> {
    let url_safe = base64(digest);
    let standard = url_safe.replace('-', "+").replace('_', "/") + "=";
    let hex = hex::encode(digest);
    let forms = [
        ("{hex}", hex.clone()),
        ("{HEX}", hex.to_uppercase()),
        ("{base64}", standard),
        ("{base64url}", url_safe),
    ];
    let mut signature = signature.to_vec();
    for (name, form) in forms {
        if let Some(at) = signature
            .windows(name.len())
            .position(|part| part == name.as_bytes())
        {
            signature.splice(at..at + name.len(), form.into_bytes());
        }
    }
    signature
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message);
    let outer = Sha256::new().chain_update(pad(0x5c));
    outer.chain_update(inner.finalize()).finalize().into()
}

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bit by bit, without padding.
fn base64(digest: &[u8; 32]) -> String {
    let bit = |at: usize| {
        digest
            .get(at / 8)
            .map_or(0, |byte| byte >> (7 - at % 8) & 1)
    };
    let sextet = |from: usize| (0..6).fold(0, |bits, at| bits << 1 | bit(from + at));
    let digits = (0..256)
        .step_by(6)
        .map(|from| BASE64URL[usize::from(sextet(from))]);
    digits.map(char::from).collect()
}

/// The digest that is written in one of the forms a sender may choose.
fn read_digest(text: &[u8]) -> Option<[u8; 32]> {
    let text = str::from_utf8(text).ok()?;
    let text = text.strip_prefix("sha256=").unwrap_or(text);
    let bits: String = if text.len() == 64 {
        let digits = text
            .chars()
            .map(|digit| Some(format!("{:04b}", digit.to_digit(16)?)));
        digits.collect::<Option<_>>()?
    } else {
        let digits = text.strip_suffix('=').unwrap_or(text);
        if digits.len() != 43 {
            return None;
        }
        let sextet = |digit: u8| {
            let digit = match digit {
                b'+' => b'-',
                b'/' => b'_',
                digit => digit,
            };
            let value = BASE64URL.iter().position(|known| *known == digit)?;
            Some(format!("{value:06b}"))
        };
        let bits = digits.bytes().map(sextet).collect::<Option<String>>()?;
        // 258 bits: the last two belong to no byte.
        bits.strip_suffix("00")?.to_owned()
    };
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&bits[8 * at..8 * at + 8], 2).ok()?;
    }
    Some(digest)
}

/// Epoch milliseconds.
fn read_time(text: &[u8]) -> Option<i64> {
    let text = str::from_utf8(text).ok()?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        // By the number of digits: the first unit up to the year 5138.
        return match number.to_string().len() {
            ..=11 => Some(number * 1000),
            12..=14 => Some(number),
            15..=17 => Some(number / 1000),
            _ => None,
        };
    }
    read_rfc3339(text)
}

fn read_rfc3339(text: &str) -> Option<i64> {
    let number = |text: &str, length: usize, largest: i64| {
        let digits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|number: &i64| digits && *number <= largest)
    };
    let (date, time) = text.split_once(['T', 't'])?;
    let mut date = date.splitn(3, '-');
    let year = number(date.next()?, 4, 9999)?;
    let month = number(date.next()?, 2, 12)?;
    let day = number(date.next()?, 2, 31)?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if is_leap { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = usize::try_from(month).ok()?.checked_sub(1)?;
    if day == 0 || day > months[month] {
        return None;
    }
    let leaps = |year: i64| (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let days = year * 365 + leaps(year) + months[..month].iter().sum::<i64>() + day - 1;

    let (time, offset_minutes) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => {
            let (sign_at, sign) = time.match_indices(['+', '-']).next()?;
            let (hours, minutes) = time[sign_at + 1..].split_once(':')?;
            let minutes = number(hours, 2, 25)? * 60 + number(minutes, 2, 59)?;
            (
                &time[..sign_at],
                if sign == "-" { -minutes } else { minutes },
            )
        }
    };
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) => (time, Some(fraction)),
        None => (time, None),
    };
    let nanos = match fraction {
        Some(digits) if digits.len() <= 9 => {
            number(&format!("{digits:0<9}"), 9, 999_999_999).filter(|_| !digits.is_empty())?
        }
        Some(_) => return None,
        None => 0,
    };
    let mut time = time.splitn(3, ':');
    let hour = number(time.next()?, 2, 23)?;
    let minute = number(time.next()?, 2, 59)?;
    // A leap second is the second before it.
    let second = number(time.next()?, 2, 60)?.min(59);

    const DAYS_TO_1970: i64 = 719_528;
    let minutes = ((days - DAYS_TO_1970) * 24 + hour) * 60 + minute - offset_minutes;
    let nanos = i128::from(minutes * 60 + second) * 1_000_000_000 + i128::from(nanos);
    i64::try_from(nanos / 1_000_000).ok()
}
