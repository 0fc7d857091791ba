//! Recognition of Apple's clients by `User-Agent`.

use fanfare::wire::handshake::apple::{QUIRKS, quirk};

use crate::handshake::{request, upgrade_with};

/// `User-Agent` headers of Apple's clients: one list for each entry of `QUIRKS`.
const APPLE: [&[&str]; 3] = [
    &[
        // Safari
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (iPad; CPU OS 12_5_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1.2 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (iPod touch; CPU iPhone OS 15_8 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6 Mobile/15E148 Safari/604.1",
        // Chrome, Firefox, Edge, Opera, the Google app
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.35 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (iPad; CPU OS 14_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/127.0 Mobile/15E148 Safari/605.1.15",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 EdgiOS/125.0.2535.60 Mobile/15E148 Safari/605.1.15",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1 OPT/4.7.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/320.0.637103360 Mobile/15E148 Safari/604.1",
        // A WebKit view in an app
        "Mozilla/5.0 (iPhone; CPU iPhone OS 16_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 286.0.0.19.69",
    ],
    &[
        // Safari
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1 Safari/605.1.15",
        // A WebKit view in an app
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
        // Chrome and Firefox on an iPad that asks for the desktop site
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126 Version/11.1.1 Safari/605.1.15",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/127.0 Safari/605.1.15",
    ],
    &[
        "Ticker/412 CFNetwork/1494.0.7 Darwin/23.4.0",
        "Ticker/1 CFNetwork/1240.0.4 Darwin/20.6.0",
        "%E8%A1%8C%E6%83%85/3.2 CFNetwork/1568.100.1 Darwin/24.0.0",
        "行情/3.2 CFNetwork/1568.100.1 Darwin/24.0.0",
        "xctest/21501 (unknown version) CFNetwork/1335.0.3 Darwin/21.6.0 (x86_64)",
    ],
];

const OTHERS: [&str; 20] = [
    // Chrome, Edge, Opera, Chromium without a window, an Electron app: macOS
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 OPR/110.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Slack/4.38.125 Chrome/124.0.6367.243 Electron/30.1.0 Safari/537.36",
    // Firefox: macOS, Linux, Android
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0",
    // WebKitGTK and WPE: Epiphany, a kiosk
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.0 Safari/605.1.15 Epiphany/605.1.15",
    "Mozilla/5.0 (Linux; aarch64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.0 Safari/605.1.15",
    // Chrome and Edge: Windows, Linux, Android
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
    // Android WebView, and the old Android browser
    "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UD1A.231105.004; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.6478.71 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; U; Android 4.4.2; en-us; SCH-I535 Build/KOT49H) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
    // Libraries
    "Python/3.11 websockets/12.0",
    "Go-http-client/1.1",
    "okhttp/4.12.0",
    "curl/8.7.1 (x86_64-apple-darwin23.0)",
];

fn is_apple(user_agent: &str) -> bool {
    request(&upgrade_with(&format!("User-Agent: {user_agent}"))).is_apple()
}

#[test]
fn apple_clients_match_their_entry() {
    for (row, user_agents) in QUIRKS.iter().zip(APPLE) {
        for user_agent in user_agents {
            let found = quirk(user_agent).map(|found| found.clients);
            assert_eq!(found, Some(row.clients), "{user_agent}");
            assert!(is_apple(user_agent), "{user_agent}");
        }
    }
}

#[test]
fn other_clients_match_no_entry() {
    for user_agent in OTHERS {
        assert!(quirk(user_agent).is_none(), "{user_agent}");
        assert!(!is_apple(user_agent), "{user_agent}");
    }
    assert!(!is_apple(""));
    assert!(!request(&upgrade_with("X-Other: a")).is_apple());
}

#[test]
fn every_entry_names_a_report_of_the_fault() {
    for row in &QUIRKS {
        assert!(row.fault.contains('#') || row.fault.contains("bug"));
        assert!(!row.clients.is_empty() && !row.since.is_empty());
    }
}
