//! Looking through profiles: lists for which no index is kept. Each page looks at a bounded number of them.

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::error::EngineError;
use super::group::damaged;
use super::handle::Engine;
use super::read::Read;
use crate::domain::definition::Computation;
use crate::domain::ids::UserKey;
use crate::domain::page::{Page, PageRequest};
use crate::domain::profile::Profile;
use crate::domain::query::Target;
use crate::store::cursor;

/// Fewest profiles read at a time.
const LEAST: usize = 16;
/// Most profiles read at a time.
const STEP: usize = 256;

/// Whose profiles are looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// Known users.
    Users,
    /// Known users, visitors and accounts.
    Everybody,
    /// Accounts.
    Accounts,
}

impl Among {
    /// Those whom a computation may be about.
    pub fn subjects_of(computation: &Computation) -> Self {
        match computation.target {
            Target::Accounts => Self::Accounts,
            Target::Users if computation.include_anonymous => Self::Everybody,
            Target::Users => Self::Users,
        }
    }

    /// The key before theirs: visitors (`a:…`) come first, then accounts (`g:…`), then known users (`u:…`). The desks between
    /// them (`o:…`) are nobody.
    fn before(self) -> Option<UserKey> {
        match self {
            Self::Users => Some(UserKey::user("")),
            Self::Everybody => None,
            Self::Accounts => Some(UserKey::group("")),
        }
    }

    /// Whether nobody's profile comes after that key.
    fn is_past(self, key: &UserKey) -> bool {
        self == Self::Accounts && key.group_id().is_none()
    }
}

impl Engine {
    /// What `see` makes of the profiles of `among`, in the order of their keys. A page looks at `most` profiles at
    /// most, so it may be short, or empty, while its cursor says that there is more. Runs on a thread of its own.
    ///
    /// # Errors
    /// When the store can't be read, or the cursor is none.
    pub async fn look_through<T: Send + 'static>(
        &self,
        among: Among,
        page: &PageRequest,
        most: usize,
        see: impl FnMut(&Profile) -> Option<T> + Send + 'static,
    ) -> Read<Page<T>> {
        let after: Option<UserKey> = cursor::read(page.cursor.as_deref())?;
        let look = Look { engine: self.clone(), among, limit: page.limit, most, see };
        let runtime = Handle::current();
        let found = spawn_blocking(move || runtime.block_on(look.make(after.max(among.before()))));
        found.await.map_err(|error| EngineError::Unavailable(error.to_string()))?
    }
}

/// One page as it is made.
struct Look<S> {
    engine: Engine,
    among: Among,
    limit: usize,
    most: usize,
    see: S,
}

impl<S> Look<S> {
    async fn make<T>(mut self, mut after: Option<UserKey>) -> Read<Page<T>>
    where
        S: FnMut(&Profile) -> Option<T>,
    {
        let store = &self.engine.shared.store;
        let mut rows = Vec::new();
        // A small page needs few of them, where most have what it asks for.
        let step = self.limit.clamp(LEAST, STEP);
        for _ in 0..self.most.div_ceil(step) {
            let (profiles, last) = store.profiles_after(after.as_ref(), step).await?;
            for profile in profiles.iter().filter(|it| it.merged_into.is_none() && !it.key.is_desk()) {
                if self.among.is_past(&profile.key) {
                    return Ok(Page { rows, cursor: None });
                }
                rows.extend((self.see)(profile));
                if profile.is_damaged() {
                    return Err(damaged(&profile.key).into());
                }
                if rows.len() >= self.limit {
                    return Ok(Page { rows, cursor: Some(cursor::write(&profile.key)) });
                }
            }
            if last.is_none() {
                return Ok(Page { rows, cursor: None });
            }
            after = last;
        }
        let cursor = after.as_ref().map(cursor::write);
        Ok(Page { rows, cursor })
    }
}
