//! What a large installation has defined.

use std::fmt::Write;

/// Flows beside the one with the long ladder.
pub const FLOWS: u64 = 40;
/// Audiences, most of them small.
pub const AUDIENCES: u64 = 300;
/// Destinations beside those that are written out below.
pub const DESTINATIONS: u64 = 50;
/// Sources beside those that are written out below.
pub const SOURCES: u64 = 20;
/// Levels of the long ladder.
const LEVELS: u64 = 50;
/// The flow that has it.
pub const LADDER: &str = "ladder";

/// What is written out.
const COMMON: &str = r#"
[[source]]
key = "http"
kind = "http"
write_key = "wk_http_bench"

[[source]]
key = "studio"
kind = "studio"
write_key = "wk_studio"

[[trait]]
name = "orders"
query = "event('Order Completed').count()"

[[audience]]
name = "buyers"
query = "event('Order Completed').within(30 days).count() >= 1"
destinations = ["crm", "refusing", "gone"]

[[audience]]
name = "pros"
query = "trait('plan') = 'pro'"
destinations = ["crm"]
"#;

/// Everything, for a receiver at that address.
pub fn toml(receiver: &str) -> String {
    let mut text = COMMON.to_owned();
    let mut add = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("a string takes everything");
    let mut destination = |key: &str, url: &str| {
        add(format_args!(
            "\n[[destination]]\nkey = \"{key}\"\nkind = \"webhook\"\nurls = [{{ url = \"{url}\" }}]\nmax_in_flight = 64\n"
        ));
    };
    destination("crm", &format!("http://{receiver}/hook"));
    destination("refusing", &format!("http://{receiver}/refuse"));
    destination("gone", "http://127.0.0.1:1/");
    for number in 0..DESTINATIONS {
        destination(&format!("spare_{number:03}"), &format!("http://{receiver}/hook"));
    }
    for number in 0..SOURCES {
        add(format_args!(
            "\n[[source]]\nkey = \"source_{number:03}\"\nkind = \"http\"\nwrite_key = \"wk_source_{number:03}\"\n"
        ));
    }
    for number in 0..FLOWS {
        add(format_args!(
            "\n[[flow]]\nname = \"flow_{number:03}\"\ninitial = \"initiation\"\nterminal = [\"confirmed\", \"cancelled\"]\n[[flow.escalation]]\nstage = \"no_reply\"\nafter = \"1s\"\nchannel = \"webhook\"\nto = [\"crm\"]\n"
        ));
    }
    add(format_args!(
        "\n[[flow]]\nname = \"{LADDER}\"\ninitial = \"initiation\"\nterminal = [\"confirmed\"]\n"
    ));
    for level in 1..=LEVELS {
        add(format_args!(
            "[[flow.escalation]]\nstage = \"no_reply\"\nafter = \"{level}h\"\nchannel = \"email\"\nto = [\"ops@example.com\"]\ntemplate = \"no_reply\"\n"
        ));
    }
    for number in 0..AUDIENCES {
        add(format_args!(
            "\n[[audience]]\nname = \"audience {number:03}\"\nquery = \"event('Event {number}').count() >= 1\"\n"
        ));
    }
    text
}
