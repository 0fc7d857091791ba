//! The baseline target: this program in a second process as a minimal server. Main thread.

use crate::baseline::stream;
use crate::error::BenchError;
use crate::options::{CommonOptions, Protocol};
use crate::publishing::address::PublisherAddress;
use crate::publishing::connection::PublisherConnection;
use crate::targets::fanfare::raw_request_target;
use crate::targets::guard::GuardedServer;
use crate::targets::ports::PortAllocator;
use crate::targets::target::{StartedServer, Target};

/// How the baseline receives publications.
#[derive(Debug)]
pub enum BaselineTarget {
    /// Over plain TCP, which costs almost nothing.
    Stream,
    /// Through libzmq, as fanfare does.
    ZeroMq,
}

impl Target for BaselineTarget {
    fn start(
        &self,
        options: &CommonOptions,
        ports: &mut PortAllocator,
    ) -> Result<StartedServer, BenchError> {
        let (clients, publishers) = (ports.allocate()?, ports.allocate()?);
        let mut arguments = vec![
            "floor".to_owned(),
            format!("--clients={clients}"),
            format!("--publishers={publishers}"),
        ];
        arguments.extend(options.injection.arguments());
        let push = match self {
            Self::Stream => publishers.to_string(),
            Self::ZeroMq => {
                arguments.push("--zeromq".to_owned());
                format!("tcp://{publishers}")
            }
        };
        Ok(StartedServer {
            server: GuardedServer::start(std::env::current_exe()?.as_os_str(), &arguments)?,
            clients,
            push,
            publishers,
            admin: None,
        })
    }

    fn request_target(&self, _protocol: Protocol, topics: &[String]) -> String {
        raw_request_target(topics)
    }

    fn connect_publisher(
        &self,
        address: &PublisherAddress,
    ) -> Result<PublisherConnection, BenchError> {
        match self {
            Self::Stream => PublisherConnection::stream(address, b"", stream::append_publication),
            Self::ZeroMq => PublisherConnection::zeromq(address, None),
        }
    }
}
