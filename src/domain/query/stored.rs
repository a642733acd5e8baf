//! A query's stored form: its canonical text.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Query;

impl Serialize for Query {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Query {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // No text is both a condition and a value.
        Self::parse(&text)
            .or_else(|error| Self::parse_value(&text).map_err(|_| error))
            .map_err(de::Error::custom)
    }
}
