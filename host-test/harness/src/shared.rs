//! Data that all workers of one Envoy share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::status::Status;

/// A handle on the shared data of one Envoy process; clones are handles on the same data, so that several
/// [`Vm`](crate::Vm)s play the workers of one proxy.
#[derive(Debug, Clone, Default)]
pub struct SharedData(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    last_cas: u32,
    values: HashMap<String, (Vec<u8>, u32)>,
}

impl SharedData {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value and its compare-and-swap number, which is never 0.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.table().values.get(key).cloned()
    }

    /// Sets a value. `cas` 0 overwrites; another number must be the one that [`SharedData::get`] gave. As in Envoy, the
    /// number is not looked at when the key is new.
    ///
    /// # Errors
    /// [`Status::CasMismatch`] if the value was changed in between; nothing is written then.
    pub fn set(&self, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        let mut table = self.table();
        if let Some((_, current)) = table.values.get(key)
            && cas != 0
            && cas != *current
        {
            return Err(Status::CasMismatch);
        }
        table.last_cas = table.last_cas.checked_add(1).unwrap_or(1);
        let cas = table.last_cas;
        table.values.insert(key.to_owned(), (value.to_vec(), cas));
        Ok(())
    }

    /// The keys, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.table().values.keys().cloned().collect();
        keys.sort();
        keys
    }

    /// A table is whole between calls, also if a test thread panicked while it held the lock.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
