//! Data and queues that all workers of one Envoy share.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::status::Status;

/// A handle on the shared data and the shared queues of one Envoy process; clones are handles on the same, so that several
/// [`Vm`](crate::Vm)s play the workers of one proxy.
///
/// Keys and the names of queues belong to the virtual machines of one id ([`VmBuilder::vm_id`](crate::VmBuilder::vm_id));
/// a handle that a test makes looks at those of the empty id, which is the default.
#[derive(Debug, Clone, Default)]
pub struct SharedData {
    table: Arc<Mutex<Table>>,
    vm_id: Arc<str>,
}

/// A key or the name of a queue, behind the id of the virtual machines that it belongs to.
type Name = (Arc<str>, String);

#[derive(Debug, Default)]
struct Table {
    last_cas: u32,
    values: HashMap<Name, (Vec<u8>, u32)>,
    queues: BTreeMap<u32, Queue>,
    names: HashMap<Name, u32>,
    last_worker: u64,
}

#[derive(Debug)]
struct Queue {
    /// The last one to register the queue is told when an item comes.
    listener: Listener,
    items: VecDeque<Vec<u8>>,
    /// Items of which the listener was not told yet.
    unannounced: usize,
}

/// A root context of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listener {
    pub(crate) worker: u64,
    pub(crate) root: u32,
}

impl SharedData {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same store as the virtual machines of this id see it.
    #[must_use]
    pub fn of_vm_id(&self, vm_id: &str) -> Self {
        Self { table: Arc::clone(&self.table), vm_id: Arc::from(vm_id) }
    }

    /// The value and its compare-and-swap number, which is never 0.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.table().values.get(&self.name(key)).cloned()
    }

    /// Sets a value. `cas` 0 overwrites; another number must be the one that [`SharedData::get`] gave. As in Envoy, the
    /// number is not looked at when the key is new.
    ///
    /// # Errors
    /// [`Status::CasMismatch`] if the value was changed in between; nothing is written then.
    pub fn set(&self, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        let name = self.name(key);
        let mut table = self.table();
        if let Some((_, current)) = table.values.get(&name)
            && cas != 0
            && cas != *current
        {
            return Err(Status::CasMismatch);
        }
        table.last_cas = table.last_cas.checked_add(1).unwrap_or(1);
        let cas = table.last_cas;
        table.values.insert(name, (value.to_vec(), cas));
        Ok(())
    }

    /// The keys, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let table = self.table();
        let own = table.values.keys().filter(|(vm_id, _)| *vm_id == self.vm_id);
        let mut keys: Vec<String> = own.map(|(_, key)| key.clone()).collect();
        keys.sort();
        keys
    }

    /// What waits in a queue, oldest first; `None` if nobody registered the queue.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<Vec<Vec<u8>>> {
        let table = self.table();
        let token = table.names.get(&self.name(name))?;
        table.queues.get(token).map(|queue| queue.items.iter().cloned().collect())
    }

    /// Puts an item at the end of a queue, as another virtual machine would. [`Vm::announce_queues`](crate::Vm::announce_queues)
    /// tells the filter that registered it.
    ///
    /// # Errors
    /// [`Status::NotFound`] if nobody registered the queue.
    pub fn enqueue(&self, name: &str, item: impl Into<Vec<u8>>) -> Result<(), Status> {
        let token = self.resolve(&self.vm_id, name).ok_or(Status::NotFound)?;
        self.push(token, item.into())
    }

    /// An id that tells one virtual machine of the proxy from another.
    pub(crate) fn new_worker(&self) -> u64 {
        let mut table = self.table();
        table.last_worker = table.last_worker.saturating_add(1);
        table.last_worker
    }

    /// Opens a queue, which keeps what is in it if it was there before.
    pub(crate) fn register(&self, name: &str, listener: Listener) -> u32 {
        let name = self.name(name);
        let mut table = self.table();
        // 0 is no token.
        let next = u32::try_from(table.names.len()).unwrap_or(u32::MAX).saturating_add(1);
        let token = *table.names.entry(name).or_insert(next);
        let queue = table.queues.entry(token);
        let queue = queue.or_insert(Queue { listener, items: VecDeque::new(), unannounced: 0 });
        queue.listener = listener;
        token
    }

    /// The queue of this name, of the virtual machines of another id.
    pub(crate) fn resolve(&self, vm_id: &str, name: &str) -> Option<u32> {
        self.table().names.get(&(Arc::from(vm_id), name.to_owned())).copied()
    }

    pub(crate) fn push(&self, token: u32, item: Vec<u8>) -> Result<(), Status> {
        let mut table = self.table();
        let queue = table.queues.get_mut(&token).ok_or(Status::NotFound)?;
        queue.items.push_back(item);
        queue.unannounced = queue.unannounced.saturating_add(1);
        Ok(())
    }

    pub(crate) fn pop(&self, token: u32) -> Result<Vec<u8>, Status> {
        let mut table = self.table();
        let queue = table.queues.get_mut(&token).ok_or(Status::NotFound)?;
        queue.items.pop_front().ok_or(Status::Empty)
    }

    /// Every announcement that a worker is owed, as root context and queue, and forgets it.
    pub(crate) fn take_announcements(&self, worker: u64) -> Vec<(u32, u32)> {
        let mut announcements = Vec::new();
        for (token, queue) in &mut self.table().queues {
            if queue.listener.worker == worker {
                let owed = std::mem::take(&mut queue.unannounced);
                announcements.extend(std::iter::repeat_n((queue.listener.root, *token), owed));
            }
        }
        announcements
    }

    pub(crate) fn vm_id(&self) -> &str {
        &self.vm_id
    }

    fn name(&self, name: &str) -> Name {
        (Arc::clone(&self.vm_id), name.to_owned())
    }

    /// A table is whole between calls, also if a test thread panicked while it held the lock.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
