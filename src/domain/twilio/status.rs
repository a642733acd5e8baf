//! The statuses of what Twilio was asked for: whether each reached somebody, and which comes after which.

/// What Twilio was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A call.
    Call,
    /// A message.
    Message,
    /// An execution of a flow.
    Execution,
    /// A TaskRouter task.
    Task,
}

/// Whether a thing with that status reached somebody; `None` while that is open. A call that was answered counts, also where a
/// machine answered it: who was there is not told.
pub fn reached(thing: Thing, status: &str) -> Option<bool> {
    match (thing, status) {
        (Thing::Call, "in-progress" | "completed")
        | (Thing::Message, "delivered" | "read" | "partially_delivered")
        | (Thing::Task, "assigned" | "wrapping" | "completed") => Some(true),
        (Thing::Call, "busy" | "failed" | "no-answer" | "canceled")
        | (Thing::Message, "undelivered" | "failed" | "canceled")
        | (Thing::Task, "canceled") => Some(false),
        (Thing::Call | Thing::Message | Thing::Execution | Thing::Task, _) => None,
    }
}

/// Statuses that leave open whether somebody was reached, in the order in which a thing goes through them.
const UNDER_WAY: [&[&str]; 2] =
    [&["queued", "initiated", "ringing"], &["accepted", "scheduled", "queued", "sending", "sent"]];

/// Whether a call or message may go from `before` to `after`: callbacks come out of order, and what rings is no longer queued.
pub fn is_later(thing: Thing, before: &str, after: &str) -> bool {
    if reached(thing, before).is_some() {
        return false;
    }
    let order = match thing {
        Thing::Call => UNDER_WAY[0],
        Thing::Message => UNDER_WAY[1],
        Thing::Execution | Thing::Task => return true,
    };
    let place = |status: &str| order.iter().position(|known| *known == status);
    match (place(before), place(after)) {
        (Some(before), Some(after)) => after > before,
        (None | Some(_), _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_says_whether_somebody_was_reached() {
        for (thing, status, wanted) in [
            (Thing::Call, "queued", None),
            (Thing::Call, "ringing", None),
            (Thing::Call, "in-progress", Some(true)),
            (Thing::Call, "completed", Some(true)),
            (Thing::Call, "busy", Some(false)),
            (Thing::Call, "no-answer", Some(false)),
            (Thing::Message, "sent", None),
            (Thing::Message, "delivered", Some(true)),
            (Thing::Message, "undelivered", Some(false)),
            (Thing::Message, "completed", None),
            (Thing::Execution, "ended", None),
            (Thing::Task, "reserved", None),
            (Thing::Task, "assigned", Some(true)),
            (Thing::Task, "canceled", Some(false)),
            (Thing::Call, "a status of next year", None),
        ] {
            assert_eq!(reached(thing, status), wanted, "{thing:?} {status}");
        }
    }

    #[test]
    fn nothing_goes_back() {
        for (thing, before, after, wanted) in [
            (Thing::Call, "queued", "ringing", true),
            (Thing::Call, "ringing", "initiated", false),
            (Thing::Call, "ringing", "ringing", false),
            (Thing::Call, "ringing", "no-answer", true),
            (Thing::Call, "in-progress", "ringing", false),
            (Thing::Call, "completed", "in-progress", false),
            (Thing::Message, "sent", "queued", false),
            (Thing::Message, "sent", "delivered", true),
            (Thing::Message, "delivered", "failed", false),
            (Thing::Task, "pending", "reserved", true),
        ] {
            assert_eq!(is_later(thing, before, after), wanted, "{thing:?} {before} {after}");
        }
    }
}
