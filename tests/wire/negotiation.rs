//! RFC 7692, sections 5 and 7.1, with the grammar of RFC 6455, section 9.1: the responses to offers
//! of permessage-deflate.

use fanfare::limits::DEFLATE_WINDOW_BITS;
use fanfare::wire::handshake::{DeflateOffer, HttpRequest, parse};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::handshake::{LINES, head, request};

const NAME: &str = "sec-websocket-extensions";
const ALWAYS: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// The result of negotiating an upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    None,
    Declined,
    Answer(String),
}

fn accepted(server_max_window_bits: Option<u8>) -> Outcome {
    let bits = server_max_window_bits.map(|bits| format!("; server_max_window_bits={bits}"));
    Outcome::Answer(format!("{ALWAYS}{}", bits.unwrap_or_default()))
}

/// Negotiates a request. Checks that the response has the header once with a value, or not at all.
fn negotiate(request: &HttpRequest) -> Outcome {
    let offer = request.deflate_offer();
    let deflate = match offer {
        DeflateOffer::Acceptable(deflate) => Some(deflate),
        DeflateOffer::None | DeflateOffer::Declined => None,
    };
    let response = String::from_utf8(request.accept(None, deflate).unwrap()).unwrap();
    let mut values = response.split("\r\n").filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case(NAME).then(|| value.to_owned())
    });
    let answer = values.next();
    assert_eq!(values.next(), None, "one line");
    assert_eq!(
        response.to_ascii_lowercase().matches(NAME).count(),
        usize::from(answer.is_some()),
        "no line without a value"
    );
    match (offer, answer) {
        (DeflateOffer::None, None) => Outcome::None,
        (DeflateOffer::Declined, None) => Outcome::Declined,
        (DeflateOffer::Acceptable(_), Some(answer)) => Outcome::Answer(answer),
        mixed => panic!("{mixed:?}"),
    }
}

fn offered(values: &[&str]) -> Outcome {
    let extensions: Vec<_> = values
        .iter()
        .map(|value| format!("Sec-WebSocket-Extensions: {value}"))
        .collect();
    let lines: Vec<_> = LINES
        .into_iter()
        .chain(extensions.iter().map(String::as_str))
        .collect();
    negotiate(&request(&head("GET /chat HTTP/1.1", &lines)))
}

#[test]
fn the_offers_of_known_clients_are_accepted() {
    for (value, bits) in [
        ("permessage-deflate", None),
        ("permessage-deflate; client_max_window_bits", None),
        // Clients that are configured to use less memory.
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            None,
        ),
        (
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
            Some(12),
        ),
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=15; client_max_window_bits=15",
            Some(15),
        ),
        ("permessage-deflate;server_max_window_bits=13", Some(13)),
        ("permessage-deflate, x-webkit-deflate-frame", None),
    ] {
        assert_eq!(offered(&[value]), accepted(bits), "{value}");
    }
}

#[test]
fn netty_is_declined_unless_it_accepts_client_no_context_takeover() {
    // The header of Netty 4.1 with WebSocketClientCompressionHandler, byte for byte.
    let header = "permessage-deflate;client_max_window_bits,deflate-frame,x-webkit-deflate-frame";
    assert_eq!(offered(&[header]), Outcome::Declined);
    let in_lines = [
        "permessage-deflate;client_max_window_bits",
        "deflate-frame",
        "x-webkit-deflate-frame",
    ];
    assert_eq!(offered(&in_lines), Outcome::Declined);
    // A handler that is configured with allowClientNoContext.
    let configured = "permessage-deflate;client_no_context_takeover;client_max_window_bits,\
                      deflate-frame,x-webkit-deflate-frame";
    assert_eq!(offered(&[configured]), accepted(None));
    let declined_and_configured = "permessage-deflate,deflate-frame,\
                                   permessage-deflate;client_no_context_takeover";
    assert_eq!(offered(&[declined_and_configured]), accepted(None));
    // Another client.
    let prefixed = "permessage-deflate;client_max_window_bits,x-webkit-deflate-frame";
    assert_eq!(offered(&[prefixed]), accepted(None));
}

#[test]
fn rfc7692_5_1_the_first_acceptable_offer_wins() {
    let values = [
        "permessage-deflate; server_max_window_bits=10, permessage-deflate",
        "permessage-deflate; x, permessage-deflate, permessage-deflate; server_max_window_bits=12",
        "permessage-bzip, x-webkit-deflate-frame; no_context_takeover, permessage-deflate",
        "x; permessage-deflate=1, permessage-deflate",
    ];
    for value in values {
        assert_eq!(offered(&[value]), accepted(None), "{value}");
    }
    assert_eq!(
        offered(&["permessage-deflate; server_max_window_bits=14, permessage-deflate"]),
        accepted(Some(14))
    );
}

#[test]
fn rfc6455_9_1_header_lines_are_one_list_in_order() {
    let bounded = "permessage-deflate; server_max_window_bits=13";
    let small = "permessage-deflate; server_max_window_bits=8";
    assert_eq!(offered(&["foo", bounded]), accepted(Some(13)));
    assert_eq!(
        offered(&[bounded, "permessage-deflate"]),
        accepted(Some(13))
    );
    assert_eq!(offered(&["permessage-deflate", bounded]), accepted(None));
    assert_eq!(offered(&[small, "", bounded]), accepted(Some(13)));
    assert_eq!(offered(&[small, small]), Outcome::Declined);
}

#[test]
fn the_response_has_no_extension_if_none_is_offered() {
    assert_eq!(offered(&[]), Outcome::None);
    for value in [
        "",
        ",",
        " , ,",
        "x-webkit-deflate-frame",
        "permessage-bzip, deflate-frame",
        "permessage-deflate-2",
        "foo; permessage-deflate",
        "foo; bar=permessage-deflate",
        // Names are case-sensitive.
        "Permessage-Deflate",
        "PERMESSAGE-DEFLATE; client_max_window_bits",
    ] {
        assert_eq!(offered(&[value]), Outcome::None, "{value:?}");
    }
}

#[test]
fn rfc7692_7_1_a_wrong_parameter_declines_the_offer() {
    for parameters in [
        // Unknown.
        "foo",
        "foo=1",
        "max_window_bits=15",
        "Server_No_Context_Takeover",
        // Repeated.
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_max_window_bits; client_no_context_takeover",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits; client_max_window_bits=15",
        "server_max_window_bits=15; server_max_window_bits=15",
        "server_max_window_bits=15; server_max_window_bits=14",
        // Invalid.
        "server_no_context_takeover=1",
        "client_no_context_takeover=\"true\"",
        "server_max_window_bits",
        "server_max_window_bits=0",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=015",
        "server_max_window_bits=12.0",
        "server_max_window_bits=+12",
        "server_max_window_bits=112",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "client_max_window_bits=true",
    ] {
        let value = format!("permessage-deflate; {parameters}");
        assert_eq!(offered(&[&value]), Outcome::Declined, "{value}");
        let next = format!("{value}, permessage-deflate");
        assert_eq!(offered(&[&next]), accepted(None), "{next}");
    }
}

#[test]
fn rfc7692_7_1_2_window_limits_are_accepted_or_declined() {
    for bits in 8..=15 {
        let expected = if bits < DEFLATE_WINDOW_BITS {
            Outcome::Declined
        } else {
            accepted(Some(bits))
        };
        let value = format!("permessage-deflate; server_max_window_bits={bits}");
        assert_eq!(offered(&[&value]), expected, "{value}");
        // A limit of the client's own window does not matter.
        let value = format!("permessage-deflate; client_max_window_bits={bits}");
        assert_eq!(offered(&[&value]), accepted(None), "{value}");
    }
}

#[test]
fn rfc6455_9_1_values_may_be_quoted() {
    for value in [
        r#"permessage-deflate; server_max_window_bits="12""#,
        r#"permessage-deflate; server_max_window_bits="1\2"; client_max_window_bits="10""#,
        r#"permessage-deflate; server_max_window_bits = "\1\2" "#,
        r#"foo; bar="a\b", permessage-deflate; server_max_window_bits="12", x"#,
    ] {
        assert_eq!(offered(&[value]), accepted(Some(12)), "{value}");
    }
    assert_eq!(
        offered(&[r#"permessage-deflate; server_max_window_bits="012""#]),
        Outcome::Declined
    );
}

#[test]
fn whitespace_and_empty_elements_are_ignored() {
    for value in [
        ",, permessage-deflate ;server_max_window_bits\t=\t12 ,",
        "\tpermessage-deflate\t;\tserver_max_window_bits=12\t",
        "foo ,\t,permessage-deflate;client_max_window_bits;server_max_window_bits= 12",
    ] {
        assert_eq!(offered(&[value]), accepted(Some(12)), "{value:?}");
    }
}

#[test]
fn rfc6455_9_1_offers_after_a_malformed_element_are_declined() {
    for broken in [
        ";",
        "=",
        "@",
        "foo bar",
        "foo;",
        "foo; ;bar",
        "foo; =1",
        "foo; bar=",
        "foo; bar=a b",
        "foo; bar=\"",
        "foo; bar=\"\"",
        "foo; bar=\"a",
        "foo; bar=\"a\\",
        "foo; bar=\"a\\\"",
        "foo; bar=\"a\\\"\"",
        "foo; bar=\"a\"b",
        "foo; bar=\"a, b\"",
        "foo; bar=\"é\"",
        "fóo",
        "permessage-deflate client_max_window_bits",
        "permessage-deflate;",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate/1",
    ] {
        assert_eq!(offered(&[broken]), Outcome::Declined, "{broken:?}");
        let before = format!("{broken}, permessage-deflate");
        assert_eq!(offered(&[&before]), Outcome::Declined, "{before:?}");
        let lines = offered(&[broken, "permessage-deflate"]);
        assert_eq!(lines, Outcome::Declined, "{broken:?}");
        let behind = format!("permessage-deflate, {broken}");
        assert_eq!(offered(&[&behind]), accepted(None), "{behind:?}");
    }
}

/// A parameter of the model.
#[derive(Clone, Debug)]
struct Parameter {
    name: &'static str,
    value: Option<String>,
}

impl Parameter {
    fn bits(&self) -> Option<u8> {
        let value = self.value.as_ref()?;
        (8..=15).find(|bits| bits.to_string() == *value)
    }

    fn is_valid(&self) -> bool {
        match self.name {
            "server_no_context_takeover" | "client_no_context_takeover" => self.value.is_none(),
            "client_max_window_bits" => self.value.is_none() || self.bits().is_some(),
            "server_max_window_bits" => self.bits() >= Some(DEFLATE_WINDOW_BITS),
            _ => false,
        }
    }
}

type Element = (&'static str, Vec<Parameter>);

fn model(elements: &[Element]) -> Outcome {
    let offers: Vec<_> = elements
        .iter()
        .filter(|(name, _)| *name == "permessage-deflate")
        .map(|(_, parameters)| parameters)
        .collect();
    let acceptable = offers.iter().find(|parameters| {
        let mut names: Vec<_> = parameters.iter().map(|parameter| parameter.name).collect();
        names.sort_unstable();
        names.dedup();
        names.len() == parameters.len() && parameters.iter().all(Parameter::is_valid)
    });
    match acceptable {
        Some(parameters) => accepted(
            parameters
                .iter()
                .find(|parameter| parameter.name == "server_max_window_bits")
                .and_then(Parameter::bits),
        ),
        None if offers.is_empty() => Outcome::None,
        None => Outcome::Declined,
    }
}

fn parameter() -> impl Strategy<Value = Parameter> {
    let name = prop::sample::select(vec![
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "server_max_window_bits",
        "client_max_window_bits",
        "mux",
    ]);
    let value = prop_oneof![
        3 => Just(None),
        4 => (8..=15_u8).prop_map(|bits| Some(bits.to_string())),
        1 => "[0-9a-z!.~-]{1,3}".prop_map(Some),
    ];
    (name, value).prop_map(|(name, value)| Parameter { name, value })
}

fn element() -> impl Strategy<Value = Element> {
    let name = prop_oneof![
        5 => Just("permessage-deflate"),
        1 => Just("x-webkit-deflate-frame"),
        1 => Just("Permessage-Deflate"),
    ];
    (name, vec(parameter(), 0..4))
}

/// Formats a list in one of several equivalent ways, selected by `style`.
fn write(elements: &[Element], style: &[u8]) -> Vec<String> {
    let mut style = style.iter().cycle();
    let mut pick = |ways: &[&'static str]| ways[usize::from(*style.next().unwrap()) % ways.len()];
    let mut lines = vec![String::new()];
    for (at, (name, parameters)) in elements.iter().enumerate() {
        if at > 0 {
            match pick(&[",", ", ", " ,\t", ", ,", "\n"]) {
                "\n" => lines.push(String::new()),
                comma => lines.last_mut().unwrap().push_str(comma),
            }
        }
        let line = lines.last_mut().unwrap();
        line.push_str(name);
        for parameter in parameters {
            line.push_str(pick(&[";", "; ", " ; "]));
            line.push_str(parameter.name);
            if let Some(value) = &parameter.value {
                line.push_str(pick(&["=", "=", " = "]));
                match pick(&["plain", "quoted", "escaped"]) {
                    "plain" => line.push_str(value),
                    "quoted" => line.extend(["\"", value, "\""]),
                    _ => line.extend(["\"\\", value, "\""]),
                }
            }
        }
    }
    lines
}

/// Generates bytes of malformed headers.
fn damage() -> impl Strategy<Value = u8> {
    prop_oneof![prop::sample::select(b",;=\"\\ \t1p".to_vec()), any::<u8>(),]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_list_has_the_outcome_of_the_model(
        elements in vec(element(), 0..5),
        style in vec(any::<u8>(), 1..20),
    ) {
        let lines = write(&elements, &style);
        let values: Vec<_> = lines.iter().map(String::as_str).collect();
        prop_assert_eq!(offered(&values), model(&elements), "{:?}", lines);
    }

    #[test]
    fn every_header_value_has_an_outcome(
        elements in vec(element(), 0..4),
        style in vec(any::<u8>(), 1..20),
        changes in vec((any::<prop::sample::Index>(), damage(), any::<bool>()), 0..6),
    ) {
        let mut value = write(&elements, &style).join(",").into_bytes();
        for (at, byte, is_inserted) in changes {
            let at = at.index(value.len() + 1);
            value.splice(at..value.len().min(at + usize::from(!is_inserted)), [byte]);
        }
        let mut bytes = head("GET /chat HTTP/1.1", &LINES).into_bytes();
        bytes.truncate(bytes.len() - 2);
        bytes.extend([b"Sec-WebSocket-Extensions: ", &value[..], b"\r\n\r\n"].concat());
        // Control bytes are not valid HTTP. Every other header has an outcome.
        let is_plain = value.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
        match parse(&bytes) {
            Ok(Some((_, request))) => drop(negotiate(&request)),
            refused => prop_assert!(!is_plain, "{refused:?}"),
        }
    }

    #[test]
    fn an_acceptable_first_offer_does_not_depend_on_later_bytes(tail in vec(damage(), 0..60)) {
        let is_plain = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
        let tail: String = tail.into_iter().filter(is_plain).map(char::from).collect();
        let value = format!("permessage-deflate; server_max_window_bits=12,{tail}");
        prop_assert_eq!(offered(&[&value]), accepted(Some(12)), "{}", value);
    }
}
