//! A test of the account: reads it, which costs nothing and changes nothing.

use super::Client;
use super::answer::kept;
use super::client::Fields;
use crate::delivery::http_client::Request;
use crate::delivery::sender::Verdict;
use crate::domain::limits::RESPONSE_SNIPPET_BYTES;

/// What is shown of an account. The rest holds its credentials: `auth_token` is the account's own, whatever key we came with.
const SHOWN: [&str; 4] = ["sid", "friendly_name", "status", "type"];

impl Client<'_> {
    /// The request that reads the account.
    ///
    /// # Errors
    /// Why none can be made.
    pub fn account_request(&self) -> Result<Request, String> {
        self.reading(&self.account_url(".json"), &Fields::new())
    }

    /// Reads the account: whether the address and the credentials are right, and the account is active.
    pub async fn read_account(&self) -> Verdict {
        match self.get(&self.account_url(".json"), &Fields::new()).await {
            Err(refusal) => refusal.verdict,
            Ok(account) => {
                let status = account.get("status").and_then(serde_json::Value::as_str).unwrap_or_default();
                let error = (!matches!(status, "" | "active")).then(|| format!("the account is {status}"));
                let shown = kept(&account, &SHOWN);
                let snippet = Some(self.secrets.masked(&shown, RESPONSE_SNIPPET_BYTES));
                Verdict { status: Some(200), snippet, error, ..Verdict::delivered() }
            }
        }
    }
}
