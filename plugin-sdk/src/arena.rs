//! The allocator of a component: one small arena for what lives as long as a call, the standard allocator for the rest.
//!
//! A decode allocates a few short texts and lists, and all of them are freed when it ends. The arena hands out memory by
//! moving a mark and starts again at zero as soon as nothing in it is alive; that saves about a fifth of a call. A codec that keeps
//! something for ever fills the arena once and then simply gets the standard allocator; [`outside`] is for what this crate keeps. WebAssembly without threads only.
#![expect(unsafe_code, reason = "a global allocator can be written no other way; this file is the only place")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};
use std::ptr;

const SIZE: usize = 32 * 1024;

#[repr(align(16))]
struct Block(UnsafeCell<[u8; SIZE]>);

struct Arena {
    block: Block,
    /// Offset of the first free byte.
    mark: Cell<usize>,
    /// How many allocations in the block are alive.
    alive: Cell<usize>,
    /// All memory is the standard allocator's for now.
    closed: Cell<bool>,
}

// SAFETY: a core module built without the `atomics` feature has one thread.
#[cfg(not(target_feature = "atomics"))]
unsafe impl Sync for Arena {}

#[global_allocator]
static ARENA: Arena =
    Arena { block: Block(UnsafeCell::new([0; SIZE])), mark: Cell::new(0), alive: Cell::new(0), closed: Cell::new(false) };

/// Makes something that is kept for ever. In the arena it would keep the mark from ever returning to zero.
pub(crate) fn outside<T>(make: impl FnOnce() -> T) -> T {
    ARENA.closed.set(true);
    let made = make();
    ARENA.closed.set(false);
    made
}

impl Arena {
    fn base(&self) -> *mut u8 {
        self.block.0.get().cast()
    }

    /// The offset of `place` in the block, if it lies there.
    fn offset(&self, place: *mut u8) -> Option<usize> {
        let offset = place.addr().wrapping_sub(self.base().addr());
        (offset < SIZE).then_some(offset)
    }
}

// SAFETY: what is handed out is aligned, inside the block, and not handed out again before `alive` says that every
// allocation in the block has been freed, or the freed one was the last before the mark. All else is the standard allocator.
unsafe impl GlobalAlloc for Arena {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.mark.get().wrapping_add(layout.align() - 1) & !(layout.align() - 1);
        // The base is aligned to 16 only; a larger alignment is not worth a thought here.
        if layout.align() <= 16 && start <= SIZE && layout.size() < SIZE - start && !self.closed.get() {
            self.mark.set(start + layout.size());
            self.alive.set(self.alive.get() + 1);
            // SAFETY: start + size < SIZE, so the place is in the block.
            return unsafe { self.base().add(start) };
        }
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        let Some(offset) = self.offset(place) else {
            // SAFETY: not in the block, so it came from the standard allocator.
            return unsafe { System.dealloc(place, layout) };
        };
        let alive = self.alive.get() - 1;
        self.alive.set(alive);
        if alive == 0 {
            self.mark.set(0);
        } else if offset + layout.size() == self.mark.get() {
            self.mark.set(offset);
        }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(offset) = self.offset(place) else {
            // SAFETY: not in the block, so it came from the standard allocator.
            return unsafe { System.realloc(place, layout, size) };
        };
        // The last one grows and shrinks in place: a text that is being written, mostly.
        if offset + layout.size() == self.mark.get() && size < SIZE - offset {
            self.mark.set(offset + size);
            return place;
        }
        // SAFETY: the caller promises that `size` is not zero and does not overflow with this alignment.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both are valid for the smaller of the sizes, and `place` is alive, so they do not overlap.
            unsafe {
                ptr::copy_nonoverlapping(place, new, layout.size().min(size));
                self.dealloc(place, layout);
            }
        }
        new
    }
}
