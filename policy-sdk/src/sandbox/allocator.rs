//! The allocator that fits the sandbox: every call starts from the memory that `configure` left, so what one call takes
//! need not be given back. It is a mark that moves up; what was taken last can grow, shrink and be given back in place,
//! which is what strings and vectors mostly do. That keeps a policy small, and a string cheap.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr;

/// In bytes (WebAssembly core specification §4.2.8).
const PAGE: usize = 65536;

unsafe extern "C" {
    /// Where the linker lets the heap begin.
    static __heap_base: u8;
}

/// Where free memory begins.
struct Mark(Cell<*const u8>);

// SAFETY: a component has one thread.
unsafe impl Sync for Mark {}

#[global_allocator]
static MARK: Mark = Mark(Cell::new(&raw const __heap_base));

impl Mark {
    fn address(&self) -> usize {
        self.0.get().expose_provenance()
    }

    fn move_to(&self, address: usize) {
        self.0.set(ptr::with_exposed_provenance(address));
    }

    /// Takes what lies between `start`, which is not below the mark, and `start + size`, if there is memory for it.
    fn take(&self, start: usize, size: usize) -> Option<usize> {
        let end = start.checked_add(size)?;
        let missing = end.div_ceil(PAGE).saturating_sub(core::arch::wasm32::memory_size::<0>());
        if missing > 0 && core::arch::wasm32::memory_grow::<0>(missing) == usize::MAX {
            return None;
        }
        self.move_to(end);
        Some(start)
    }

    /// Whether this block ends at the mark. Then it can change in place.
    fn is_last(&self, block: *mut u8, size: usize) -> bool {
        block.addr().checked_add(size) == Some(self.address())
    }
}

// SAFETY: a block lies between the mark as it was and the mark as it is, in memory that exists; the mark moves below
// the end of a block only if it is the last one, when it shrinks or is given back. Nothing here panics.
unsafe impl GlobalAlloc for Mark {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.address().checked_next_multiple_of(layout.align());
        let start = start.and_then(|start| self.take(start, layout.size()));
        start.map_or(ptr::null_mut(), ptr::with_exposed_provenance_mut)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if self.is_last(block, layout.size()) {
            self.move_to(block.addr());
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.is_last(block, layout.size()) {
            return self.take(block.addr(), size).map_or(ptr::null_mut(), |_| block);
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the caller guarantees that `layout` fits `block`, and that `size` is a layout with the same alignment;
        // both blocks are at least `layout.size()` long, and the new one lies above the mark.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size());
            }
            moved
        }
    }
}
