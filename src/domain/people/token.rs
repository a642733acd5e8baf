//! Tokens of the API.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::scope::Scope;
use crate::domain::ids::TokenId;
use crate::domain::limits;
use crate::domain::time::Timestamp;

/// A token of the API; its record's key is the SHA-256 hash of the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Its id.
    pub id: TokenId,
    /// What it is for, in somebody's words.
    pub name: String,
    /// Its hash, in hexadecimal digits: by this it is found.
    pub hash: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ends; `None`: never by itself.
    pub expires_at: Option<Timestamp>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it was last used, to the hour.
    pub used_at: Option<Timestamp>,
}

impl ApiToken {
    /// What every one begins with.
    pub const PREFIX: &str = "stp_";

    /// Whether it is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    /// Whether it is time to write down that it is used.
    pub fn is_to_be_noted(&self, now: Timestamp) -> bool {
        self.used_at.is_none_or(|used| now >= used.plus(limits::USE_NOTED))
    }

    /// What others see of it.
    pub fn shown(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "scopes": self.scopes,
            "expiresAt": self.expires_at,
            "createdBy": self.created_by,
            "createdAt": self.created_at,
            "usedAt": self.used_at,
        })
    }

    /// What the audit log keeps of it.
    pub fn audited(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "scopes": self.scopes, "expiresAt": self.expires_at })
    }
}
