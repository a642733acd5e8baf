//! The key of an audience or computed trait, made from its name once and never changed after.

/// The longest name, in characters, that a key is made from.
pub const MAX_NAME_CHARACTERS: usize = 255;

/// Why a name gives no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing in the name is an ASCII letter or digit.
    #[error("name has no usable characters")]
    NoUsableCharacters,
    /// The name has more than [`MAX_NAME_CHARACTERS`] characters.
    #[error("name is longer than {MAX_NAME_CHARACTERS} characters")]
    TooLong,
}

/// The snake_case key of a name, as Segment makes it (`Order completed last 30 Days` gives
/// `order_completed_last_30_days`).
///
/// Words are the non-empty matches of `[A-Z0-9]*[a-z0-9]*` over bytes, lower-cased and joined with `_`: the
/// algorithm published as `segmentio/go-snakecase`. Everything else, non-ASCII letters too, only separates words.
pub fn snake_case_key(name: &str) -> Result<String, KeyError> {
    if name.chars().count() > MAX_NAME_CHARACTERS {
        return Err(KeyError::TooLong);
    }
    let mut key = String::with_capacity(name.len() + 8);
    let mut rest = name.as_bytes();
    while let Some(skipped) = rest.iter().position(u8::is_ascii_alphanumeric) {
        rest = &rest[skipped..];
        let (word, after) = rest.split_at(word_length(rest));
        if !key.is_empty() {
            key.push('_');
        }
        key.extend(word.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
        rest = after;
    }
    if key.is_empty() { Err(KeyError::NoUsableCharacters) } else { Ok(key) }
}

/// How many bytes the first word has; `bytes` begins with a letter or digit, so at least one.
fn word_length(bytes: &[u8]) -> usize {
    let upper = bytes.iter().take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()).count();
    let lower =
        bytes[upper..].iter().take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()).count();
    upper + lower
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_the_keys_that_segment_gives() {
        for (name, key) in [
            ("Order Completed Last 30days", "order_completed_last_30days"),
            ("First Time Shopper", "first_time_shopper"),
            ("Total Revenue 180 Days", "total_revenue_180_days"),
            ("Amazon Ads Audience 6 May 24", "amazon_ads_audience_6_may_24"),
            ("eg_lcm_user_portal_roles_partial_access", "eg_lcm_user_portal_roles_partial_access"),
            ("example_event_once_30_4_24_1", "example_event_once_30_4_24_1"),
            ("Order completed last 30 Days", "order_completed_last_30_days"),
            ("30Days", "30days"),
            ("30days", "30days"),
            ("Last30Days", "last30_days"),
            ("2FA Enabled", "2fa_enabled"),
            ("Enabled 2FA", "enabled_2fa"),
            ("Q4 2025 (EMEA)", "q4_2025_emea"),
            ("v2.0 beta", "v2_0_beta"),
            ("LTV > 500", "ltv_500"),
            ("LTV>500", "ltv_500"),
            ("50% off!", "50_off"),
            ("A/B Test", "a_b_test"),
            ("a&b", "a_b"),
            ("user@example.com", "user_example_com"),
            ("Customers' choice", "customers_choice"),
            ("Größe > 10", "gr_e_10"),
            ("already_snake_1", "already_snake_1"),
            ("VIPs", "vips"),
            ("VIP Customers", "vip_customers"),
            ("bigSpender", "big_spender"),
            ("iOS Users", "i_os_users"),
            ("HTTPServer Errors", "httpserver_errors"),
            ("SMS_Opt_In", "sms_opt_in"),
            ("Rev_30D", "rev_30d"),
            ("a___b", "a_b"),
            ("a - b", "a_b"),
            ("  padded  ", "padded"),
            ("_leading_", "leading"),
            ("Café Visitors", "caf_visitors"),
            ("Über-Fans", "ber_fans"),
        ] {
            assert_eq!(snake_case_key(name).as_deref(), Ok(key), "{name}");
        }
    }

    #[test]
    fn names_without_letters_or_digits_are_refused() {
        for name in ["日本語", "___", ""] {
            let error = snake_case_key(name).expect_err(name);
            assert_eq!(error.to_string(), "name has no usable characters", "{name}");
        }
        assert_eq!(snake_case_key(&"é".repeat(256)), Err(KeyError::TooLong));
        assert_eq!(snake_case_key(&"x".repeat(255)).map(|key| key.len()), Ok(255));
    }
}
