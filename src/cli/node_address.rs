//! The addresses at which commands reach a node: those of the node's configuration, unless the
//! command line has others. Runs on the main thread.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use fanfare::admin_client::AdminClient;
use fanfare::config::{Config, TcpHost, Transport};

use super::arguments::Settings;
use super::exit::{USAGE, fail, fail_each};

/// A user and a password of a publisher.
pub(super) type UserAndPassword = (String, String);

/// Returns the ZeroMQ endpoint for publishers that receive replies and the credentials for it, or
/// the exit code after an error. `given` and `plain` are the arguments `--to` and `--plain`.
pub(super) fn router(
    given: Option<String>,
    plain: Option<UserAndPassword>,
    settings: Settings,
) -> Result<(String, Option<UserAndPassword>), ExitCode> {
    if let Some(endpoint) = given {
        return Ok((endpoint, plain));
    }
    found(settings, "--to", |config| {
        let endpoint = router_of(config)?;
        let credentials = plain.or_else(|| plain_of(config));
        Ok((endpoint, credentials))
    })
}

/// Returns the URL for WebSocket clients, or the exit code after an error. `given` is the argument
/// `--url`.
pub(super) fn websocket(given: Option<String>, settings: Settings) -> Result<String, ExitCode> {
    given.map_or_else(|| found(settings, "--url", websocket_of), Ok)
}

/// Returns a client of the admin port, or the exit code after an error. `given` and `token` are the
/// arguments `--admin` and `--token`.
pub(super) fn admin(
    given: Option<String>,
    token: Option<String>,
    settings: Settings,
) -> Result<AdminClient, ExitCode> {
    let (address, token) = if let Some(address) = given {
        let variable = || std::env::var("FANFARE_ADMIN_TOKEN").ok();
        (address, token.or_else(variable))
    } else {
        let (address, configured) = found(settings, "--admin", admin_of)?;
        (address, token.or(configured))
    };
    AdminClient::new(&address, token).map_err(|error| fail(USAGE, &error))
}

/// Reads the configuration and returns what `find` finds in it. The error of `find` begins a
/// sentence that ends with the argument to use in its place.
fn found<T>(
    settings: Settings,
    argument: &str,
    find: impl FnOnce(&Config) -> Result<T, String>,
) -> Result<T, ExitCode> {
    let mut source = settings.into_source();
    // The node may run on other cores than this command.
    source.allowed_cores.clear();
    let config = source.load().map_err(|errors| fail_each(USAGE, errors))?;
    find(&config).map_err(|text| fail(USAGE, &format!("{text}; give {argument}")))
}

/// Returns the address and the token.
fn admin_of(config: &Config) -> Result<(String, Option<String>), String> {
    let address = config.admin.listen.ok_or("admin.listen is off")?;
    let address = reachable("admin.listen", address)?;
    let token = config.admin.token.as_ref();
    Ok((address.to_string(), token.map(|it| it.as_str().into())))
}

fn router_of(config: &Config) -> Result<String, String> {
    let endpoint = config
        .ingest
        .router
        .first()
        .ok_or("ingest.router is empty")?;
    let address = match endpoint.transport() {
        Transport::Tcp { host, port } => match host {
            TcpHost::Any => SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port)),
            TcpHost::Address(ip) => SocketAddr::new(*ip, *port),
            TcpHost::Name(_) => return Ok(endpoint.to_string()),
        },
        Transport::IpcFile(_) | Transport::IpcAbstract(_) => return Ok(endpoint.to_string()),
    };
    reachable("ingest.router", address).map(|address| format!("tcp://{address}"))
}

/// Returns the first user who may publish, and the password.
fn plain_of(config: &Config) -> Option<UserAndPassword> {
    let first = config.ingest.plain.first();
    first.map(|it| (it.user().into(), it.password().into()))
}

fn websocket_of(config: &Config) -> Result<String, String> {
    let address = reachable("ws.listen", config.ws.listen)?;
    Ok(format!("ws://{address}/connection/websocket"))
}

/// Returns the address at which a program on the host reaches a listener.
fn reachable(key: &str, listener: SocketAddr) -> Result<SocketAddr, String> {
    if listener.port() == 0 {
        return Err(format!("the port of {key} is chosen by the kernel"));
    }
    Ok(loopback(listener))
}

/// Returns the address, with the loopback address in place of every address of the host.
pub(super) fn loopback(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

#[cfg(test)]
mod tests {
    use fanfare::config::ConfigSource;

    use super::*;

    fn config(overrides: &[&str]) -> Config {
        let source = ConfigSource {
            overrides: overrides.iter().map(|text| (*text).into()).collect(),
            ..Default::default()
        };
        source.load().expect("the configuration is valid")
    }

    #[test]
    fn commands_reach_the_addresses_of_the_configuration() {
        for (overrides, router, websocket) in [
            (&[][..], "tcp://127.0.0.1:5563", "127.0.0.1:8000"),
            (
                &["port_offset=100"],
                "tcp://127.0.0.1:5663",
                "127.0.0.1:8100",
            ),
            (
                &[
                    "ingest.router=tcp://*:7000",
                    "ws.listen=[::]:7001",
                    "auth.insecure=true",
                ],
                "tcp://127.0.0.1:7000",
                "[::1]:7001",
            ),
            (
                &[
                    "ingest.router=ipc:///run/r",
                    "ws.listen=10.0.0.1:7001",
                    "auth.insecure=true",
                ],
                "ipc:///run/r",
                "10.0.0.1:7001",
            ),
        ] {
            let config = config(overrides);
            assert_eq!(router_of(&config).as_deref(), Ok(router));
            let url = format!("ws://{websocket}/connection/websocket");
            assert_eq!(websocket_of(&config), Ok(url));
        }
        let with_plain = config(&["ingest.plain=ann:se:cret,bob:x"]);
        let ann = ("ann".to_owned(), "se:cret".to_owned());
        assert_eq!(plain_of(&with_plain), Some(ann));
        assert_eq!(plain_of(&config(&[])), None);
        assert!(router_of(&config(&["ingest.router="])).is_err());
        assert!(websocket_of(&config(&["ws.listen=127.0.0.1:0"])).is_err());
    }
}
