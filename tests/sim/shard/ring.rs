//! The ring, the sockets and the listener of the simulation, which the main loop of the shard uses.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use fanfare::hub::ConnectionId;
use fanfare::shard::{
    Cancelled, Completion, CompletionSignals, Listener, PinnedBytes, ReceivedBuffer, Ring, Socket,
    SocketInput,
};

use super::connection::ServerEnd;
use super::descriptors::{Key, Target};
use super::operations::{Completed, Handle, Queued};
use super::world::World;

pub type SharedWorld = Rc<RefCell<World>>;

/// The ring of the simulated shard.
pub struct SimulatedRing {
    world: SharedWorld,
    /// A copy of the bytes of the buffer that the shard handles.
    received: Vec<u8>,
}

/// A descriptor. It is closed when it is dropped.
pub struct SimulatedDescriptor {
    world: SharedWorld,
    number: u32,
}

/// The socket of an accepted or internal connection.
pub struct SimulatedSocket {
    descriptor: SimulatedDescriptor,
    key: Key,
}

impl SimulatedRing {
    pub fn new(world: &SharedWorld) -> Self {
        Self {
            world: Rc::clone(world),
            received: Vec::new(),
        }
    }

    /// Queues an operation.
    fn push(&self, operation: Queued) {
        let world = &mut *self.world.borrow_mut();
        world.interleave(60);
        world
            .kernel
            .push(operation, &mut world.random, world.now_us);
    }

    /// Appends the contents of the completion queue to `completions`.
    fn take_completed(&self, completions: &mut Vec<Completion<SimulatedSocket>>) {
        let taken = self.world.borrow_mut().kernel.take_completed();
        completions.extend(taken.into_iter().map(|completed| self.convert(completed)));
    }

    /// Converts a completion of the simulated kernel to a completion of the ring.
    fn convert(&self, completed: Completed) -> Completion<SimulatedSocket> {
        match completed {
            Completed::Accept(result, series) => Completion::Accept {
                result: result.map(|number| self.socket(number)),
                series,
            },
            Completed::Receive {
                id,
                result,
                buffer,
                input,
            } => Completion::Receive {
                id,
                result,
                buffer: buffer.map(ReceivedBuffer::new),
                input,
            },
            Completed::Send(handle, result) => {
                let id = handle.id;
                Completion::Send { id, result }
            }
            Completed::Writable(id) => Completion::Writable { id },
            Completed::Timer => Completion::Timer,
            Completed::Cancel => Completion::Cancel,
            Completed::WakeRead => Completion::WakeRead,
        }
    }

    /// Returns the socket with this descriptor.
    fn socket(&self, number: u32) -> SimulatedSocket {
        let target = self.world.borrow().kernel.descriptors.get(number);
        let Some(Target::Connection(key)) = target else {
            panic!("descriptor {number} does not refer to a connection: {target:?}");
        };
        SimulatedSocket {
            descriptor: SimulatedDescriptor {
                world: Rc::clone(&self.world),
                number,
            },
            key,
        }
    }
}

/// Opens the listener of the shard.
pub fn open_listener(world: &SharedWorld) -> SimulatedDescriptor {
    let kernel = &mut world.borrow_mut().kernel;
    let number = kernel.descriptors.open_beyond_limit(Target::Listener);
    kernel.listener = Some(number);
    SimulatedDescriptor {
        world: Rc::clone(world),
        number,
    }
}

impl Ring for SimulatedRing {
    type Socket = SimulatedSocket;
    type Listener = SimulatedDescriptor;
    type Reserve = SimulatedDescriptor;

    fn now_us(&self) -> u64 {
        let world = &mut *self.world.borrow_mut();
        world.now_us += u64::from(world.random.u32(..4) == 0);
        world.turn_us.get_or_insert(world.now_us);
        world.now_us
    }

    fn unix_s(&self) -> u64 {
        self.world.borrow().now_us / 1_000_000
    }

    fn accept(&mut self, listener: &SimulatedDescriptor) -> io::Result<()> {
        let number = listener.number;
        self.push(Queued::Accept { number });
        Ok(())
    }

    fn receive(
        &mut self,
        socket: &SimulatedSocket,
        id: ConnectionId,
        input: SocketInput,
    ) -> io::Result<()> {
        if input == SocketInput::Waiting {
            self.world.borrow_mut().kernel.expect_buffer();
        }
        self.push(Queued::Receive(socket.handle(id)));
        Ok(())
    }

    fn send(
        &mut self,
        socket: &SimulatedSocket,
        id: ConnectionId,
        bytes: PinnedBytes<'_>,
    ) -> io::Result<()> {
        self.push(Queued::Send(socket.handle(id), bytes.as_slice().to_vec()));
        Ok(())
    }

    fn wait_writable(&mut self, socket: &SimulatedSocket, id: ConnectionId) -> io::Result<()> {
        self.push(Queued::Writable(socket.handle(id)));
        Ok(())
    }

    fn start_timer(&mut self, delay: Duration) -> io::Result<()> {
        let delay_us = delay.as_micros() as u64;
        let due_us = self.world.borrow().now_us + delay_us;
        self.push(Queued::Timer { delay_us, due_us });
        let world = &mut *self.world.borrow_mut();
        world.kernel.enter(&mut world.random, world.now_us);
        Ok(())
    }

    fn read_wake(&mut self) -> io::Result<()> {
        self.push(Queued::WakeRead);
        Ok(())
    }

    fn cancel(&mut self, target: Cancelled) -> io::Result<()> {
        self.push(Queued::Cancel(target));
        Ok(())
    }

    fn reap(&mut self, completions: &mut Vec<Completion<SimulatedSocket>>) -> io::Result<()> {
        {
            let world = &mut *self.world.borrow_mut();
            world.interleave(4);
            world.kernel.enter(&mut world.random, world.now_us);
        }
        self.take_completed(completions);
        Ok(())
    }

    fn reap_one(&mut self, completions: &mut Vec<Completion<SimulatedSocket>>) -> io::Result<()> {
        {
            let world = &mut *self.world.borrow_mut();
            world.interleave(4);
            world.kernel.enter(&mut world.random, world.now_us);
            // A submit that failed temporarily does not wait.
            if world.kernel.queue.is_empty() {
                for _ in 0..1_000 {
                    if world.kernel.has_completed() {
                        break;
                    }
                    world.kernel.progress(&mut world.random, world.now_us);
                }
                assert!(
                    world.kernel.has_completed(),
                    "the shard waits, but no operation can complete"
                );
                world.kernel.enter(&mut world.random, world.now_us);
            }
        }
        self.take_completed(completions);
        Ok(())
    }

    fn has_completed(&mut self) -> bool {
        let world = &mut *self.world.borrow_mut();
        world.interleave(3);
        let has_completed = world.kernel.has_completed();
        world.interleave(6);
        has_completed
    }

    fn has_work(&mut self) -> bool {
        let world = &mut *self.world.borrow_mut();
        world.interleave(3);
        let has_work = world.kernel.has_work();
        world.interleave(6);
        has_work
    }

    fn short_sleep(&mut self, limit: Duration) -> io::Result<()> {
        let world = &mut *self.world.borrow_mut();
        world.interleave(3);
        world.kernel.enter(&mut world.random, world.now_us);
        world.kernel.read_event();
        if !world.kernel.queue.is_empty() || (!world.is_settling && world.random.u32(..30) == 0) {
            return Ok(());
        }
        world.check_sleep_in_ring();
        let end_us = world.now_us + limit.as_micros() as u64;
        while !world.kernel.has_completed() && world.now_us < end_us {
            let us = world.random.u64(1..5_000);
            world.now_us = end_us.min(world.now_us + us);
            world.kernel.fire_timers(world.now_us);
            world.interleave(2);
        }
        world.kernel.coverage.short_sleeps_ended += u64::from(world.kernel.has_completed());
        Ok(())
    }

    fn set_signals(&mut self, signals: CompletionSignals) {
        let world = &mut *self.world.borrow_mut();
        world.interleave(6);
        world.kernel.signals = signals;
        world.interleave(6);
    }

    fn bytes(&mut self, buffer: &ReceivedBuffer, len: usize) -> &mut [u8] {
        let world = &mut *self.world.borrow_mut();
        let filled = &world.kernel.buffers[usize::from(buffer.index())];
        let key = filled.filled_for.expect("the shard has the buffer");
        self.received.clear();
        self.received.extend(&filled.bytes[..len]);
        world.check_received(key, &self.received);
        &mut self.received
    }

    fn free_buffers(&self) -> usize {
        self.world.borrow().kernel.unheld_buffers()
    }

    fn return_buffer(&mut self, buffer: ReceivedBuffer) {
        let kernel = &mut self.world.borrow_mut().kernel;
        let index = buffer.index();
        let owner = kernel.buffers[usize::from(index)].filled_for.take();
        assert!(owner.is_some(), "buffer {index} is returned twice");
        kernel.free_buffers.push_back(index);
    }

    fn adopt(&mut self, stream: OwnedFd) -> SimulatedSocket {
        let number = self.world.borrow_mut().internal.remove(&stream.as_raw_fd());
        self.socket(number.expect("the control thread has passed the stream to the shard"))
    }

    fn open_reserve(&mut self) -> Option<SimulatedDescriptor> {
        let world = &mut *self.world.borrow_mut();
        let number = world.kernel.descriptors.open(Target::Reserve)?;
        Some(SimulatedDescriptor {
            world: Rc::clone(&self.world),
            number,
        })
    }
}

impl Drop for SimulatedRing {
    fn drop(&mut self) {
        self.world.borrow_mut().kernel.close_ring();
    }
}

impl Drop for SimulatedDescriptor {
    fn drop(&mut self) {
        // A failed check drops the shard while the world is borrowed. This drop must not panic
        // then, so that the first failure is reported.
        if let Ok(mut world) = self.world.try_borrow_mut()
            && !std::thread::panicking()
        {
            world.kernel.close(self.number);
        }
    }
}

impl SimulatedSocket {
    /// Returns the handle of an operation on this socket.
    fn handle(&self, id: ConnectionId) -> Handle {
        Handle {
            number: self.descriptor.number,
            key: self.key,
            id,
        }
    }
}

impl Socket for SimulatedSocket {
    fn peer(&self) -> Option<SocketAddr> {
        let port = self.key as u16;
        Some(([127, 0, 0, 1], port).into())
    }

    fn has_unread(&self) -> bool {
        self.descriptor.world.borrow().kernel.has_unread(self.key)
    }

    fn shut_down_writing(&self) {
        let world = &mut *self.descriptor.world.borrow_mut();
        let connection = world.kernel.connection(self.key);
        assert!(!connection.write_ended, "the stream is ended twice");
        connection.write_ended = true;
    }

    fn shut_down(&self) {
        let world = &mut *self.descriptor.world.borrow_mut();
        let connection = world.kernel.connection(self.key);
        assert!(!connection.shut_down, "the socket is shut down twice");
        connection.shut_down = true;
    }

    fn reset_on_close(&self) {
        let world = &mut *self.descriptor.world.borrow_mut();
        world.kernel.connection(self.key).reset_on_close = true;
    }
}

impl Listener for SimulatedDescriptor {
    fn refuse_one(&self) -> io::Result<()> {
        let world = &mut *self.world.borrow_mut();
        world.interleave(20);
        let kernel = &mut world.kernel;
        if kernel.descriptors.is_full() {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        let Some(key) = kernel.backlog.pop_front() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let number = kernel
            .descriptors
            .open_beyond_limit(Target::Connection(key));
        kernel.connection(key).server = ServerEnd::Open;
        kernel.close(number);
        kernel.coverage.refused += 1;
        Ok(())
    }
}
