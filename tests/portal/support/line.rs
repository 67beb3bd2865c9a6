//! A line to a server that a test can cut and mend.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Passes everything on while it is whole; breaks every connection and takes no new one while it is cut.
pub(crate) struct Line {
    pub(crate) address: String,
    is_whole: watch::Sender<bool>,
}

impl Line {
    /// A line to `server` (`host:port`).
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (is_whole, watched) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut state = watched.clone();
                if !*state.borrow_and_update() {
                    continue;
                }
                let Ok(mut behind) = TcpStream::connect(&server).await else {
                    continue;
                };
                tokio::spawn(async move {
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut behind) => {}
                        _ = state.changed() => {}
                    }
                });
            }
        });
        Self { address, is_whole }
    }

    pub(crate) fn cut(&self) {
        self.is_whole.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.is_whole.send_replace(true);
    }
}
