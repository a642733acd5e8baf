//! Which calls go into one request.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::mapped::Mapped;
use crate::delivery::json::stringify;
use crate::domain::definition::Batch;
use crate::domain::delivery::Delivery;
use crate::domain::ids::UserKey;
use crate::domain::limits::MAX_BATCH_CALL_BYTES;
use crate::domain::mapping::Mapping;

/// What has to be equal of calls that share a request.
pub(super) struct Keys(Vec<Key>);

enum Key {
    Url,
    Method,
    Headers,
    /// A place in the event.
    Path(Mapping),
}

impl Keys {
    /// The keys of `batch`; what is none of `url`, `method` and `headers` is a path in the event.
    pub(super) fn of(batch: &Batch) -> Self {
        let key = |name: &String| match name.as_str() {
            "url" => Some(Key::Url),
            "method" => Some(Key::Method),
            "headers" => Some(Key::Headers),
            // Every text is a path.
            path => Mapping::parse(&json!({ "@path": path })).ok().map(Key::Path),
        };
        Self(batch.keys.iter().filter_map(key).collect())
    }

    /// A text that is equal for calls that may share a request. So is how often they were put back: the request says it.
    ///
    /// # Errors
    /// A key could not be read from the event.
    pub(super) fn read(&self, delivery: &Delivery, event: &Value, mapped: &Mapped) -> Result<String, String> {
        let mut values = vec![Value::from(delivery.replays)];
        for key in &self.0 {
            values.push(match key {
                Key::Url => mapped.url.as_str().into(),
                Key::Method => mapped.method.as_str().into(),
                Key::Headers => {
                    let text = |value: &reqwest::header::HeaderValue| {
                        String::from_utf8_lossy(value.as_bytes()).into_owned()
                    };
                    mapped.headers.iter().map(|(name, value)| json!([name.as_str(), text(value)])).collect()
                }
                Key::Path(path) => {
                    let found =
                        path.evaluate(event).map_err(|error| format!("a batch key failed at {error}"))?;
                    found.into_iter().collect()
                }
            });
        }
        Ok(stringify(&Value::Array(values)))
    }
}

/// A request that is being filled.
struct Open {
    number: usize,
    bytes: usize,
}

/// Puts `calls`, each with its place and key, into requests of at most `size` calls and `limits::MAX_BATCH_CALL_BYTES`. Calls keep
/// their order within a request, and one user's also over the requests: the requests that have him are in the order of his
/// calls.
pub(super) fn requests(
    deliveries: &[Delivery],
    calls: impl Iterator<Item = (usize, String, usize)>,
    size: u32,
) -> Vec<Vec<usize>> {
    let size = usize::try_from(size).unwrap_or(usize::MAX).max(1);
    let mut requests: Vec<Vec<usize>> = Vec::new();
    let mut open: HashMap<String, Open> = HashMap::new();
    // The last request that has a call of this user: his next one can't go into an earlier one.
    let mut last: HashMap<&UserKey, usize> = HashMap::new();
    for (place, key, bytes) in calls {
        let user = &deliveries[place].user;
        // With the comma after it.
        let bytes = bytes + 1;
        let fits = |open: &&mut Open| {
            requests[open.number].len() < size
                && open.bytes + bytes <= MAX_BATCH_CALL_BYTES
                && last.get(user).is_none_or(|&last| last <= open.number)
        };
        let number = match open.get_mut(&key).filter(fits) {
            Some(open) => {
                open.bytes += bytes;
                open.number
            }
            None => {
                let number = requests.len();
                requests.push(Vec::new());
                // One bracket; the other takes the place of the last comma.
                open.insert(key, Open { number, bytes: bytes + 1 });
                number
            }
        };
        requests[number].push(place);
        last.insert(user, number);
    }
    requests
}
