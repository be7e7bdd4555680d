//! Runs a server on one thread of its own, from start until drop.

use std::io;
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A thread with a runtime; dropping it ends the server's tasks, closes its sockets, and waits for the thread.
#[derive(Debug)]
pub(crate) struct ServerThread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ServerThread {
    /// Hands the listeners to `serve` inside a runtime on a new thread.
    pub(crate) fn start<F>(
        listeners: Vec<std::net::TcpListener>,
        serve: impl FnOnce(Vec<TcpListener>) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = ()>,
    {
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let run = move || {
            runtime.block_on(async move {
                let listeners = listeners.into_iter().filter_map(|socket| TcpListener::from_std(socket).ok());
                tokio::select! {
                    biased;
                    _ = stopped => {}
                    () = serve(listeners.collect()) => {}
                }
            });
        };
        #[expect(clippy::disallowed_methods, reason = "the handle is kept and joined on drop")]
        let thread = std::thread::Builder::new().name("testkit-server".into()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

/// Serves every connection of the first listener in a task of its own, until it is dropped.
pub(crate) async fn serve_each<F: Future<Output = ()> + Send + 'static>(
    listeners: Vec<TcpListener>,
    serve: impl Fn(TcpStream) -> F,
) {
    let Some(listener) = listeners.into_iter().next() else { return };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream));
                }
            }
        }
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
