//! What is typed into Studio, a sink or a program so that it posts to a source.

use serde_json::{Value, json};

use super::super::first_post::PLACEHOLDER;
use crate::domain::definition::SourceKind;

/// The form parameters of a Studio widget: name and value.
const PARAMETERS: [(&str, &str); 5] = [
    ("userID", "{{flow.data.userID}}"),
    ("phoneNumber", "{{contact.channel.address}}"),
    ("flow", "order_confirmation"),
    ("stage", "initiation"),
    ("executionSid", "{{flow.sid}}"),
];

/// Whether Twilio posts to sources of that kind, and signs.
pub(super) fn can_be_signed(kind: SourceKind) -> bool {
    match kind {
        SourceKind::Studio | SourceKind::EventStreams => true,
        SourceKind::Http => false,
    }
}

/// Everything to copy, for a source of that kind; `write_key` is there only while it may be shown.
pub(super) fn of(kind: SourceKind, host: &str, write_key: Option<&str>) -> Value {
    let key = write_key.unwrap_or(PLACEHOLDER);
    match kind {
        SourceKind::Studio => json!({
            "widget": {
                "url": format!("{host}/studio/{key}"),
                "parameters": PARAMETERS.map(|(name, value)| json!({ "name": name, "value": value })),
            },
            "lines": [("curl", format!(
                "curl -d userID=u1 -d phoneNumber=+15551234567 -d flow=order_confirmation -d stage=initiation \\\n  {host}/studio/{key}"
            ))],
        }),
        SourceKind::Http => json!({ "widget": null, "lines": [
            ("curl", format!(
                "curl -u {key}: -H 'content-type: application/json' \\\n  -d '{}' \\\n  {host}/v1/track",
                json!({ "userId": "u1", "event": "Order Completed", "properties": { "total": 42 } })
            )),
            ("node", format!(
                "import {{ Analytics }} from '@segment/analytics-node'\n\
                 const analytics = new Analytics({{ writeKey: '{key}', host: '{host}' }})\n\
                 analytics.track({{ userId: 'u1', event: 'Order Completed', properties: {{ total: 42 }} }})"
            )),
            ("python", format!(
                "import segment.analytics as analytics\n\
                 analytics.write_key, analytics.host = '{key}', '{host}'\n\
                 analytics.track('u1', 'Order Completed', {{'total': 42}})"
            )),
        ] }),
        SourceKind::EventStreams => json!({ "widget": null, "lines": [("sink", sink(host, key))] }),
    }
}

/// Makes the sink and its subscription.
fn sink(host: &str, key: &str) -> String {
    let types: String = ["execution.started", "execution.ended", "step.ended"]
        .iter()
        .map(|name| format!(" \\\n  --data-urlencode 'Types={{\"type\":\"com.twilio.studio.flow.{name}\",\"schema_version\":1}}'"))
        .collect();
    format!(
        "TWILIO=\"https://events.twilio.com/v1\"; AUTH=\"$TWILIO_ACCOUNT_SID:$TWILIO_AUTH_TOKEN\"\n\
         curl -u \"$AUTH\" -X POST $TWILIO/Sinks -d Description=stagepost -d SinkType=webhook --data-urlencode \\\n  \
         'SinkConfiguration={{\"destination\":\"{host}/events/{key}\",\"method\":\"POST\",\"batch_events\":true}}'\n\
         curl -u \"$AUTH\" -X POST $TWILIO/Subscriptions -d Description=stagepost -d SinkSid=DG…{types}"
    )
}
