//! The floor: this program once more, as the least server there can be.

use super::fanfare::raw_resource;
use super::{Guarded, Ports, Running, Target};
use crate::arguments::{Common, Protocol};
use crate::fault::Fault;
use crate::floor;
use crate::line::Line;

#[derive(Debug)]
pub struct Floor;

impl Target for Floor {
    fn start(&self, common: &Common, ports: &mut Ports) -> Result<Running, Fault> {
        let (clients, publishers) = (ports.free()?, ports.free()?);
        let mut arguments = vec!["floor".to_owned()];
        arguments.extend([
            format!("--clients={clients}"),
            format!("--publishers={publishers}"),
        ]);
        arguments.extend(common.injection.arguments());
        Ok(Running {
            server: Guarded::start(std::env::current_exe()?.as_os_str(), &arguments)?,
            clients,
            push: publishers.to_string(),
            publishers,
            admin: None,
        })
    }

    fn resource(&self, _protocol: Protocol, topics: &[String]) -> String {
        raw_resource(topics)
    }

    fn line(&self, common: &Common) -> Result<Line, Fault> {
        Line::stream(common, b"", |topic, payload, out| {
            floor::publication(topic, payload, out);
        })
    }
}
