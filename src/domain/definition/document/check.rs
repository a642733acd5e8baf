//! What single texts have to look like.

use chrono::{NaiveDate, NaiveTime};
use url::Url;

use crate::domain::limits::{
    MAX_ADDRESS_BYTES, MAX_DEFINITION_KEY, MAX_DEFINITION_NAME, MAX_HEADER_BYTES, MAX_URL_BYTES,
    MAX_WRITE_KEY, MIN_WRITE_KEY,
};
use crate::domain::own_headers::is_own_header;

/// The key of a source or destination, and the name of a template's folder.
pub(super) fn key(text: &str) -> Result<&str, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    if text.len() <= MAX_DEFINITION_KEY && text.bytes().all(fits) {
        return Ok(text);
    }
    Err(format!("must be 1 to {MAX_DEFINITION_KEY} characters of a-z, 0-9, _ and -"))
}

/// The key of an audience or computed trait, as it stands in an address.
pub(super) fn computation_key(text: &str) -> Result<&str, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !text.is_empty() && text.len() <= 2 * MAX_DEFINITION_NAME && text.bytes().all(fits) {
        return Ok(text);
    }
    Err("the key of an audience or trait has only a-z, 0-9 and _".to_owned())
}

/// The name of a flow, stage or audience, or of an event's property.
pub(super) fn name(text: &str) -> Result<&str, String> {
    if text.chars().count() > MAX_DEFINITION_NAME {
        return Err(format!("is longer than {MAX_DEFINITION_NAME} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err("must not hold line breaks or other control characters".to_owned());
    }
    Ok(text)
}

/// Any text that is a secret. What is wrong with it is said without showing it.
pub(super) fn secret(text: &str) -> Result<&str, String> {
    if text.len() > MAX_HEADER_BYTES || text.chars().any(char::is_control) {
        return Err(format!("must be at most {MAX_HEADER_BYTES} bytes without control characters"));
    }
    Ok(text)
}

/// What a source's posts carry. It stands in addresses, so it needs no escapes there.
pub(super) fn write_key(text: &str) -> Result<&str, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (MIN_WRITE_KEY..=MAX_WRITE_KEY).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text);
    }
    Err(format!("must be {MIN_WRITE_KEY} to {MAX_WRITE_KEY} characters of A-Z, a-z, 0-9, _ and -"))
}

/// A mail address that could exist: whether it does, only a mail can tell.
pub fn email(text: &str) -> Result<&str, String> {
    let no_address = || Err("is not a mail address such as ops@example.com".to_owned());
    if text.contains(['<', '>']) {
        return Err("write the address alone, without a name and < >".to_owned());
    }
    let Some((local, domain)) = text.rsplit_once('@') else { return no_address() };
    let unfit = |c: char| c.is_whitespace() || c.is_control() || "@,;:()[]\"\\".contains(c);
    if local.is_empty() || local.len() > 64 || local.contains(unfit) {
        return no_address();
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") || domain.len() > 253 {
        return no_address();
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    if domain.split('.').all(label) { Ok(text) } else { no_address() }
}

/// A time zone by its name in the IANA database.
pub(super) fn time_zone(text: &str) -> Result<chrono_tz::Tz, String> {
    text.parse().map_err(|_| "is not the name of a time zone such as Europe/Brussels or UTC".to_owned())
}

/// A day: `2026-12-25`.
pub(super) fn date(text: &str) -> Result<&str, String> {
    let is_date = text.len() == 10 && text.parse::<NaiveDate>().is_ok();
    if is_date { Ok(text) } else { Err("is not a day such as 2026-12-25".to_owned()) }
}

/// A time of day, to the minute; the seconds that TOML's own times have may be there, and are none.
pub(super) fn time_of_day(text: &str) -> Result<NaiveTime, String> {
    let minute = text.strip_suffix(":00").filter(|rest| rest.contains(':')).unwrap_or(text);
    NaiveTime::parse_from_str(minute, "%H:%M").map_err(|_| "is not a time of day such as 08:00".to_owned())
}

/// The end of a time of day; 24:00 is the midnight that ends a day.
pub(super) fn end_of_time(text: &str) -> Result<NaiveTime, String> {
    if text == "24:00" { Ok(NaiveTime::MIN) } else { time_of_day(text) }
}

/// A telephone number as Twilio takes it, or a client or SIP address that can be called.
pub(super) fn phone(text: &str) -> Result<&str, String> {
    let is_number = text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let is_address = ["client:", "sip:"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()))
    });
    if is_number || (is_address && text.len() <= MAX_ADDRESS_BYTES) {
        return Ok(text);
    }
    Err("is not a telephone number such as +32470123456, and no client:… or sip:… address".to_owned())
}

/// What calls and messages at Twilio may be from: a number, or a name that messages show.
pub(super) fn caller(text: &str) -> Result<&str, String> {
    let is_name = (1..=11).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-' | b'_'))
        && text.bytes().any(|byte| byte.is_ascii_alphabetic());
    if is_name || phone(text.strip_prefix("whatsapp:").unwrap_or(text)).is_ok() {
        return Ok(text);
    }
    Err("is not a telephone number such as +32470123456, and no name of up to 11 letters and digits".to_owned())
}

/// One of Twilio's ids: two letters that say of what, and 32 hexadecimal digits.
pub(super) fn sid<'t>(prefix: &str, text: &'t str) -> Result<&'t str, String> {
    let digits = text.strip_prefix(prefix).unwrap_or_default();
    if digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(text);
    }
    Err(format!("is not a SID that begins with {prefix}: {prefix} and 32 hexadecimal digits"))
}

/// A widget of a Studio flow, or one of its events: `send_reminder`, `send_reminder/timeout`.
pub(super) fn widget(text: &str) -> Result<(), String> {
    let fits = |part: &str| {
        !part.is_empty() && part.len() <= MAX_DEFINITION_NAME && !part.chars().any(char::is_control)
    };
    let mut parts = text.split('/');
    if parts.by_ref().take(2).all(fits) && parts.next().is_none() {
        return Ok(());
    }
    Err("is no widget: write its name, or its name and one of its events such as send_reminder/timeout"
        .to_owned())
}

/// An address that can be called. It is never shown: its query may hold a token.
pub fn http_url(text: &str) -> Result<&str, String> {
    if text.len() > MAX_URL_BYTES {
        return Err(format!("is longer than {MAX_URL_BYTES} bytes"));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("must not hold spaces or control characters".to_owned());
    }
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with http:// or https://".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("names no host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Addresses appear in logs and in the API; headers with credentials do not.
        return Err("must not hold a user name or password; put them into an Authorization header".to_owned());
    }
    Ok(text)
}

/// The name of a header that may be added to a call of a classic webhook.
pub(super) fn header_name(name: &str) -> Result<(), String> {
    mapped_header_name(name)?;
    if name.eq_ignore_ascii_case("content-type") {
        return Err(format!("`{name}` is set by stagepost and can't be replaced"));
    }
    Ok(())
}

/// The name of a header that a mapping may set: of a type of its own, or another user agent, too.
pub(super) fn mapped_header_name(name: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 256 || !name.bytes().all(fits) {
        return Err("is not the name of a header".to_owned());
    }
    if is_own_header(name) {
        return Err(format!("`{name}` is set by stagepost and can't be replaced"));
    }
    Ok(())
}

/// The value of a header.
pub(super) fn header_value(text: &str) -> Result<&str, String> {
    let fits = |byte: u8| matches!(byte, b' '..=b'~' | b'\t');
    if text.len() > MAX_HEADER_BYTES {
        return Err(format!("is longer than {MAX_HEADER_BYTES} bytes"));
    }
    if !text.bytes().all(fits) || text.trim() != text {
        return Err("can't be sent: only printable ASCII without spaces at its ends".to_owned());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses() {
        for good in ["ops@example.com", "a.b+c@x-y.example", "o'neil@example.org", "root@localhost"] {
            assert_eq!(email(good), Ok(good));
        }
        for bad in [
            "",
            "ops",
            "@example.com",
            "ops@",
            "a b@example.com",
            "Ops <ops@example.com>",
            "a@b@example.com",
            "a@example.com\r\nBcc: x@example.com",
            "a@-x.example",
            "a@x..example",
            ".a@example.com",
            "a@example.com,b@example.com",
        ] {
            assert!(email(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn telephone_numbers_and_sids() {
        for good in ["+32470123456", "+14155550100", "client:alice", "sip:alice@example.com:5060"] {
            assert_eq!(phone(good), Ok(good));
        }
        for bad in [
            "",
            "0470123456",
            "+0470123456",
            "+32 470 12 34 56",
            "+123456",
            "+1234567890123456",
            "client:",
            "sip:a b",
        ] {
            assert!(phone(bad).is_err(), "{bad}");
        }
        let good = "FW0123456789abcdef0123456789abcdef";
        assert_eq!(sid("FW", good), Ok(good));
        for bad in [
            "",
            "FW",
            "FN0123456789abcdef0123456789abcdef",
            "FW0123456789ABCDEF0123456789ABCDEF",
            "FW0123456789abcdef0123456789abcde",
        ] {
            assert!(sid("FW", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn days_and_times() {
        assert!(date("2026-12-25").is_ok());
        for bad in ["", "2026-02-29", "25-12-2026", "2026-12-25T00:00", "+2026-1-1"] {
            assert!(date(bad).is_err(), "{bad}");
        }
        for (good, minutes) in
            [("08:00", 480), ("08:00:00", 480), ("00:00", 0), ("00:00:00", 0), ("23:59", 1439)]
        {
            let time = time_of_day(good).unwrap();
            assert_eq!((time - NaiveTime::MIN).num_minutes(), minutes, "{good}");
        }
        for bad in ["", "8", "24:00", "08:60", "08:00:30", "8 am"] {
            assert!(time_of_day(bad).is_err(), "{bad}");
        }
        assert_eq!(end_of_time("24:00"), Ok(NaiveTime::MIN));
    }

    #[test]
    fn urls() {
        for good in ["https://crm.example.com/hook", "http://127.0.0.1:9000/?a=b", "http://[::1]:80/"] {
            assert_eq!(http_url(good), Ok(good));
        }
        for bad in ["crm.example.com", "ftp://x/", "http://", "https://u:p@x/", "http://a b/", "/hook", "x:y"]
        {
            assert!(http_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers() {
        assert!(header_name("X-Team").is_ok());
        for bad in ["", "X Team", "X:Y", "Größe", "Host", "content-TYPE"] {
            assert!(header_name(bad).is_err(), "{bad}");
        }
        assert!(header_value("Bearer abc").is_ok());
        for bad in ["a\r\nX: y", " padded", "é", "a\0"] {
            assert!(header_value(bad).is_err(), "{bad}");
        }
    }
}
