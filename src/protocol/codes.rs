//! Error codes of replies, close codes and unsubscribe codes of the client protocol. Every core.
//!
//! Source: the chapter "codes" of the documentation of Centrifugo. SDKs act on these numbers.

/// Why a command failed. The connection stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ClientError {
    Internal = 100,
    Unauthorized = 101,
    UnknownChannel = 102,
    PermissionDenied = 103,
    MethodNotFound = 104,
    AlreadySubscribed = 105,
    LimitExceeded = 106,
    BadRequest = 107,
    NotAvailable = 108,
    TokenExpired = 109,
    Expired = 110,
    TooManyRequests = 111,
    UnrecoverablePosition = 112,
}

impl ClientError {
    /// Every error, in the order of the codes.
    pub const ALL: [Self; 13] = [
        Self::Internal,
        Self::Unauthorized,
        Self::UnknownChannel,
        Self::PermissionDenied,
        Self::MethodNotFound,
        Self::AlreadySubscribed,
        Self::LimitExceeded,
        Self::BadRequest,
        Self::NotAvailable,
        Self::TokenExpired,
        Self::Expired,
        Self::TooManyRequests,
        Self::UnrecoverablePosition,
    ];

    /// Returns the number on the wire, 100 to 112.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// Returns the text on the wire: lower-case ASCII and spaces, so that JSON needs no escapes.
    pub fn message(self) -> &'static str {
        match self {
            Self::Internal => "internal server error",
            Self::Unauthorized => "unauthorized",
            Self::UnknownChannel => "unknown channel",
            Self::PermissionDenied => "permission denied",
            Self::MethodNotFound => "method not found",
            Self::AlreadySubscribed => "already subscribed",
            Self::LimitExceeded => "limit exceeded",
            Self::BadRequest => "bad request",
            Self::NotAvailable => "not available",
            Self::TokenExpired => "token expired",
            Self::Expired => "expired",
            Self::TooManyRequests => "too many requests",
            Self::UnrecoverablePosition => "unrecoverable position",
        }
    }

    /// Returns whether SDKs repeat the command after a pause.
    pub fn temporary(self) -> bool {
        matches!(self, Self::Internal | Self::TooManyRequests)
    }
}

/// Why the server closes a connection: code and reason of the close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Disconnect {
    ConnectionClosed = 3000,
    /// The server shuts down.
    Shutdown = 3001,
    ServerError = 3004,
    /// The connection has expired, and the client did not refresh it.
    Expired = 3005,
    /// The outbox is full.
    Slow = 3008,
    WriteError = 3009,
    ForceReconnect = 3011,
    /// No answer to a ping in time.
    NoPong = 3012,
    TooManyRequests = 3013,
    InvalidToken = 3500,
    /// The message is not the client protocol, or a command is not allowed at this point.
    BadRequest = 3501,
    /// No connect command in time.
    Stale = 3502,
    ForceNoReconnect = 3503,
    ConnectionLimit = 3504,
    ChannelLimit = 3505,
    /// Data that this codec cannot carry.
    InappropriateProtocol = 3506,
    PermissionDenied = 3507,
    NotAvailable = 3508,
    TooManyErrors = 3509,
}

impl Disconnect {
    /// Every reason, in the order of the codes.
    pub const ALL: [Self; 19] = [
        Self::ConnectionClosed,
        Self::Shutdown,
        Self::ServerError,
        Self::Expired,
        Self::Slow,
        Self::WriteError,
        Self::ForceReconnect,
        Self::NoPong,
        Self::TooManyRequests,
        Self::InvalidToken,
        Self::BadRequest,
        Self::Stale,
        Self::ForceNoReconnect,
        Self::ConnectionLimit,
        Self::ChannelLimit,
        Self::InappropriateProtocol,
        Self::PermissionDenied,
        Self::NotAvailable,
        Self::TooManyErrors,
    ];

    /// Returns the close code, 3000 to 3999.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// Returns the close reason, shorter than the 123 bytes that a close frame has for it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ConnectionClosed => "connection closed",
            Self::Shutdown => "shutdown",
            Self::ServerError => "internal server error",
            Self::Expired => "connection expired",
            Self::Slow => "slow",
            Self::WriteError => "write error",
            Self::ForceReconnect => "force reconnect",
            Self::NoPong => "no pong",
            Self::TooManyRequests => "too many requests",
            Self::InvalidToken => "invalid token",
            Self::BadRequest => "bad request",
            Self::Stale => "stale",
            Self::ForceNoReconnect => "force disconnect",
            Self::ConnectionLimit => "connection limit",
            Self::ChannelLimit => "channel limit",
            Self::InappropriateProtocol => "inappropriate protocol",
            Self::PermissionDenied => "permission denied",
            Self::NotAvailable => "not available",
            Self::TooManyErrors => "too many errors",
        }
    }

    /// Returns whether SDKs reconnect: they do for codes below 3500.
    pub fn reconnect(self) -> bool {
        self.code() < 3500
    }
}

/// Why the server ends a subscription: code and reason of an unsubscribe push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum UnsubscribeCode {
    /// An operator or an application ended the subscription.
    Server = 2000,
    /// The subscription may have missed publications.
    InsufficientState = 2500,
    /// The subscription has expired, and the client did not refresh it.
    Expired = 2501,
}

impl UnsubscribeCode {
    /// Every code, in ascending order.
    pub const ALL: [Self; 3] = [Self::Server, Self::InsufficientState, Self::Expired];

    /// Returns the number on the wire, 2000 to 2999.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// Returns the text on the wire: lower-case ASCII and spaces, so that JSON needs no escapes.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Server => "server unsubscribe",
            Self::InsufficientState => "insufficient state",
            Self::Expired => "subscription expired",
        }
    }

    /// Returns whether SDKs subscribe again: they do for codes from 2500 on.
    pub fn resubscribe(self) -> bool {
        self.code() >= 2500
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_their_numbers() {
        let table = ClientError::ALL.map(|error| (error.code(), error.message()));
        let pinned = [
            (100, "internal server error"),
            (101, "unauthorized"),
            (102, "unknown channel"),
            (103, "permission denied"),
            (104, "method not found"),
            (105, "already subscribed"),
            (106, "limit exceeded"),
            (107, "bad request"),
            (108, "not available"),
            (109, "token expired"),
            (110, "expired"),
            (111, "too many requests"),
            (112, "unrecoverable position"),
        ];
        assert_eq!(table, pinned);
        let temporary = ClientError::ALL
            .into_iter()
            .filter(|error| error.temporary());
        assert_eq!(
            temporary.map(ClientError::code).collect::<Vec<_>>(),
            [100, 111]
        );
    }

    #[test]
    fn disconnects_keep_their_numbers() {
        let table = Disconnect::ALL.map(|each| (each.code(), each.reason(), each.reconnect()));
        let pinned = [
            (3000, "connection closed", true),
            (3001, "shutdown", true),
            (3004, "internal server error", true),
            (3005, "connection expired", true),
            (3008, "slow", true),
            (3009, "write error", true),
            (3011, "force reconnect", true),
            (3012, "no pong", true),
            (3013, "too many requests", true),
            (3500, "invalid token", false),
            (3501, "bad request", false),
            (3502, "stale", false),
            (3503, "force disconnect", false),
            (3504, "connection limit", false),
            (3505, "channel limit", false),
            (3506, "inappropriate protocol", false),
            (3507, "permission denied", false),
            (3508, "not available", false),
            (3509, "too many errors", false),
        ];
        assert_eq!(table, pinned);
    }

    #[test]
    fn unsubscribes_keep_their_numbers() {
        let table =
            UnsubscribeCode::ALL.map(|each| (each.code(), each.reason(), each.resubscribe()));
        let pinned = [
            (2000, "server unsubscribe", false),
            (2500, "insufficient state", true),
            (2501, "subscription expired", true),
        ];
        assert_eq!(table, pinned);
    }

    #[test]
    fn texts_need_no_escaping() {
        let messages = ClientError::ALL.map(ClientError::message);
        let closes = Disconnect::ALL.map(Disconnect::reason);
        let unsubscribes = UnsubscribeCode::ALL.map(UnsubscribeCode::reason);
        for text in messages.iter().chain(&closes).chain(&unsubscribes) {
            assert!(
                text.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b' '),
                "{text}"
            );
            assert!(text.len() <= 123);
        }
    }
}
