//! The request parser: the result does not depend on how a head is divided into pieces, and no
//! method of the request panics.

use fanfare::config::OriginRule;
use fanfare::limits;
use fanfare::wire::handshake::{DeflateOffer, HttpRefusal, HttpRequest, parse};

/// Parses one input. The first two bytes are the lengths of the pieces, used cyclically. The rest
/// is the stream.
pub fn handshake(data: &[u8]) {
    let Some((lengths, stream)) = data.split_first_chunk::<2>() else {
        return;
    };
    let whole = result(stream);
    let mut end = 0;
    for length in lengths.iter().cycle() {
        end = stream.len().min(end + 1 + usize::from(*length));
        let so_far = result(&stream[..end]);
        if end == stream.len() || so_far != Ok(None) {
            assert_eq!(so_far, whole);
            return;
        }
    }
}

/// Returns the results of all methods of a request, or the refusal.
fn result(stream: &[u8]) -> Result<Option<(usize, String)>, HttpRefusal> {
    match parse(stream) {
        Ok(None) => {
            assert!(
                stream.len() < limits::HANDSHAKE_BYTES,
                "the length of the head is limited"
            );
            Ok(None)
        }
        Ok(Some((head_bytes, request))) => {
            assert!(stream[..head_bytes].ends_with(b"\r\n\r\n"));
            Ok(Some((head_bytes, describe(&request))))
        }
        Err(refusal) => {
            assert!(refusal.response().starts_with(b"HTTP/1.1 4") || refusal.status() >= 500);
            Err(refusal)
        }
    }
}

fn describe(request: &HttpRequest) -> String {
    let origins = ["https://*.example.com", "null"]
        .map(|origin| OriginRule::parse(origin).expect("the origin is valid"));
    let offer = request.deflate_offer();
    let deflate = match offer {
        DeflateOffer::Acceptable(deflate) => Some(deflate),
        DeflateOffer::None | DeflateOffer::Declined => None,
    };
    let accepted = request.accept(None, deflate);
    assert!(accepted.is_err() || request.is_upgrade());
    format!(
        "{} {:?} {:?} {} {offer:?} {} {} {:?} {accepted:?}",
        request.path(),
        request.query().collect::<Vec<_>>(),
        request.header("user-agent"),
        request.is_apple(),
        request.origin_allowed(&[]),
        request.origin_allowed(&origins),
        request.subprotocols().collect::<Vec<_>>(),
    )
}
