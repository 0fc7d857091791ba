use fanfare::wire::*;
#[test]
fn smoke() {
    assert!(size_of::<Decoder>() <= 16);
    let mut b = vec![0x81, 0x82, 0,0,0,0, b'h', b'i', 0x89, 0x80, 0,0,0,0, 0x81, 0x82, 0,0];
    let mut d = Decoder::default();
    let mut i = &mut b[..];
    let mut n = 0;
    while let Some(e) = d.next(&mut i, 100).unwrap() { println!("{e:?}"); n += 1; }
    assert_eq!(n, 2);
    assert!(d.buffered_bytes() > 0);
    let h = b"GET /raw?topic=a+b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let (n, r) = handshake::parse(h).unwrap().unwrap();
    assert_eq!(n, h.len());
    print!("{}", String::from_utf8(r.accept(None).unwrap()).unwrap());
    print!("{}", String::from_utf8(Refusal::UpgradeRequired.response()).unwrap());
}
