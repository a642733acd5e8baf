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

/// Where calls get through, where they are refused, and where nobody listens.
const DESTINATION: &str = r#"
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

[[audience]]
name = "pros"
query = "trait('plan') = 'pro'"
"#;

/// Everything, for a receiver at that address.
pub fn toml(receiver: &str) -> String {
    let mut text = DESTINATION.to_owned();
    let mut add = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("a string takes everything");
    for (key, path, events) in [("crm", "hook", "\"all\""), ("refusing", "refuse", "[\"Order Completed\"]")] {
        add(format_args!(
            "\n[[destination]]\nkey = \"{key}\"\nkind = \"webhook\"\nurls = [{{ url = \"http://{receiver}/{path}\" }}]\nmax_in_flight = 64\nevents = {events}\n"
        ));
    }
    add(format_args!(
        "\n[[destination]]\nkey = \"gone\"\nkind = \"webhook\"\nurls = [{{ url = \"http://127.0.0.1:1/\" }}]\nevents = [\"Order Completed\"]\n"
    ));
    for number in 0..DESTINATIONS {
        add(format_args!(
            "\n[[destination]]\nkey = \"spare_{number:03}\"\nkind = \"webhook\"\nurls = [{{ url = \"http://{receiver}/hook\" }}]\nevents = [\"Rare {number}\"]\n"
        ));
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
