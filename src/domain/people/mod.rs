//! Who works with the console and the API, and what each of them may do.

mod attempts;
mod audit;
mod device;
mod difference;
mod fault;
mod kept;
mod password;
mod person;
mod scope;
mod session;
mod staff;
mod token;

pub use attempts::Attempts;
pub use audit::{Action, AuditEntry, AuditFilter, Deed};
pub use device::Device;
pub use difference::{Difference, differences};
pub use fault::Fault;
pub use password::{PasswordHash, check_password};
pub use person::{Person, PersonChange, check_name, login};
pub use scope::{Role, Scope};
pub use session::Session;
pub use staff::{Staff, StaffError};
pub use token::ApiToken;
