//! The floor: this program once more, as the least server there can be.

use super::fanfare::raw_resource;
use super::{Guarded, Ports, Running, Target};
use crate::arguments::{Common, Protocol};
use crate::fault::Fault;
use crate::floor;
use crate::line::Line;

/// How publications come to it.
#[derive(Debug)]
pub enum Floor {
    /// On a plain stream, which costs next to nothing.
    Stream,
    /// Through libzmq, as fanfare's do.
    ZeroMq,
}

impl Target for Floor {
    fn start(&self, common: &Common, ports: &mut Ports) -> Result<Running, Fault> {
        let (clients, publishers) = (ports.free()?, ports.free()?);
        let mut arguments = vec!["floor".to_owned()];
        arguments.extend([
            format!("--clients={clients}"),
            format!("--publishers={publishers}"),
        ]);
        arguments.extend(common.injection.arguments());
        let push = match self {
            Self::Stream => publishers.to_string(),
            Self::ZeroMq => {
                arguments.push("--zeromq".to_owned());
                format!("tcp://{publishers}")
            }
        };
        Ok(Running {
            server: Guarded::start(std::env::current_exe()?.as_os_str(), &arguments)?,
            clients,
            push,
            publishers,
            admin: None,
        })
    }

    fn resource(&self, _protocol: Protocol, topics: &[String]) -> String {
        raw_resource(topics)
    }

    fn line(&self, common: &Common) -> Result<Line, Fault> {
        match self {
            Self::Stream => Line::stream(common, b"", floor::publication),
            Self::ZeroMq => Line::zeromq(common, None),
        }
    }
}
