use serde_json::{Map, Value};
use super::email::templates::Templates;
#[derive(Clone, Copy, Debug)]
pub enum TextKind { Call, Sms }
pub fn render_text(_: &Templates, _: TextKind, text: Option<&str>, _: &Map<String, Value>) -> Result<String, String> {
    Ok(text.unwrap_or("A patient waits.").to_owned())
}
