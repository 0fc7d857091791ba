// centrifuge-go. Arguments: client URL, control URL, json or protobuf.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	centrifuge "github.com/centrifugal/centrifuge-go"

	conductor "fanfare/clients"
)

// A session is a client that records its state changes.
type session struct {
	client *centrifuge.Client

	mu           sync.Mutex
	connected    int
	connecting   []uint32
	disconnected []uint32
	socket       net.Conn
}

// A topic is a subscription and its received publications.
type topic struct {
	subscription *centrifuge.Subscription

	mu      sync.Mutex
	got     []string
	replies int
	refused uint32
	left    bool
}

func ask(path string, body string, answer any) error {
	return conductor.Ask(os.Args[2], path, []byte(body), answer)
}

func (s *session) locked(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *session) connects() (count int) {
	s.locked(func() { count = s.connected })
	return count
}

func open() (*session, error) {
	s := &session{}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := new(net.Dialer).DialContext(ctx, network, address)
		s.locked(func() { s.socket = connection })
		return connection, err
	}
	config := centrifuge.Config{
		NetDialContext:    dial,
		EnableCompression: !strings.Contains(os.Args[1], "deflate=0"),
	}
	if os.Args[3] == "protobuf" {
		s.client = centrifuge.NewProtobufClient(os.Args[1], config)
	} else {
		s.client = centrifuge.NewJsonClient(os.Args[1], config)
	}
	s.client.OnConnected(func(centrifuge.ConnectedEvent) { s.locked(func() { s.connected++ }) })
	s.client.OnConnecting(func(e centrifuge.ConnectingEvent) {
		s.locked(func() { s.connecting = append(s.connecting, e.Code) })
	})
	s.client.OnDisconnected(func(e centrifuge.DisconnectedEvent) {
		s.locked(func() { s.disconnected = append(s.disconnected, e.Code) })
	})
	if err := s.client.Connect(); err != nil {
		return nil, err
	}
	return s, conductor.Until(func() bool { return s.connects() > 0 }, "connected", conductor.Wait)
}

func (t *topic) locked(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
}

func (t *topic) count() (count int) {
	t.locked(func() { count = len(t.got) })
	return count
}

func (s *session) subscribe(name string) (*topic, error) {
	subscription, err := s.client.NewSubscription(name)
	if err != nil {
		return nil, err
	}
	t := &topic{subscription: subscription}
	subscription.OnPublication(func(e centrifuge.PublicationEvent) {
		t.locked(func() { t.got = append(t.got, string(e.Data)) })
	})
	subscription.OnSubscribed(func(centrifuge.SubscribedEvent) { t.locked(func() { t.replies++ }) })
	subscription.OnUnsubscribed(func(e centrifuge.UnsubscribedEvent) {
		t.locked(func() { t.left, t.refused = true, e.Code })
	})
	if err := subscription.Subscribe(); err != nil {
		return nil, err
	}
	answered := func() (yes bool) {
		t.locked(func() { yes = t.replies > 0 || t.left })
		return yes
	}
	return t, conductor.Until(answered, "a reply to subscribe "+name, conductor.Wait)
}

func (t *topic) received(expected []string, what string) error {
	enough := func() bool { return t.count() >= len(expected) }
	if err := conductor.Until(enough, fmt.Sprintf("%d %s", len(expected), what), conductor.Wait); err != nil {
		return fmt.Errorf("%w, got %d", err, t.count())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for n, want := range expected {
		if t.got[n] != want {
			return fmt.Errorf("%s: number %d is %.80q, expected %.80q", what, n, t.got[n], want)
		}
	}
	if len(t.got) > len(expected) {
		return fmt.Errorf("%s: %d more than %d", what, len(t.got)-len(expected), len(expected))
	}
	return nil
}

func numbers(count int) (all []string) {
	for n := range count {
		all = append(all, fmt.Sprintf(`{"n":%d}`, n))
	}
	return all
}

func inOrder(s *session) error {
	t, err := s.subscribe("orders")
	return errors.Join(err,
		ask("/publish?topic=orders&count=1000", "", nil),
		ask("/publish?topic=orders", `"last"`, nil),
		t.received(append(numbers(1000), `"last"`), "publications"))
}

func severalTopics(s *session) error {
	for _, name := range []string{"a", "b", "日本", "with space", strings.Repeat("c", 255)} {
		t, err := s.subscribe(name)
		err = errors.Join(err,
			ask("/publish?count=100&topic="+url.QueryEscape(name), "", nil),
			t.received(numbers(100), name))
		if err != nil {
			return err
		}
	}
	return nil
}

func unsubscribe(s *session) error {
	t, err := s.subscribe("busy")
	marker, second := s.subscribe("marker")
	if err := errors.Join(err, second, ask("/stream?topic=busy&rate=500", "", nil)); err != nil {
		return err
	}
	if err := conductor.Until(func() bool { return t.count() >= 50 }, "the stream", conductor.Wait); err != nil {
		return err
	}
	if err := t.subscription.Unsubscribe(); err != nil {
		return err
	}
	gone := func() (yes bool) {
		t.locked(func() { yes = t.left })
		return yes
	}
	err = conductor.Until(gone, "unsubscribed", conductor.Wait)
	count := t.count()
	time.Sleep(200 * time.Millisecond)
	return errors.Join(err,
		ask("/stop", "", nil),
		ask("/publish?topic=marker", "1", nil),
		marker.received([]string{"1"}, "marker"),
		t.received(numbers(count), "before the unsubscribe"))
}

func payload(name, text string) func(*session) error {
	return func(s *session) error {
		encoded, err := json.Marshal(text)
		t, second := s.subscribe(name)
		return errors.Join(err, second,
			ask("/publish?topic="+name, string(encoded), nil),
			t.received([]string{string(encoded)}, "payload"))
	}
}

func invalidTopic(s *session) error {
	for _, name := range []string{"bell\a", strings.Repeat("x", 256)} {
		t, err := s.subscribe(name)
		if err != nil {
			return err
		}
		if t.refused != 107 {
			return fmt.Errorf("%.8q is refused with %d, expected 107", name, t.refused)
		}
	}
	return nil
}

func publish(s *session) error {
	ctx, cancel := context.WithTimeout(context.Background(), conductor.Wait)
	defer cancel()
	var refusal *centrifuge.Error
	if _, err := s.client.Publish(ctx, "news", []byte(`{}`)); !errors.As(err, &refusal) || refusal.Code != 103 {
		return fmt.Errorf("publish: %v, expected error 103", err)
	}
	t, err := s.subscribe("chat:room")
	_, second := s.client.Publish(ctx, "chat:room", []byte(`{"yes":1}`))
	return errors.Join(err, second, t.received([]string{`{"yes":1}`}, "publication"))
}

func pings(s *session) error {
	time.Sleep(6 * time.Second) // more than two intervals and a pong timeout
	if count := s.connects(); count != 1 || s.client.State() != centrifuge.StateConnected {
		return fmt.Errorf("%d connects, state %s", count, s.client.State())
	}
	return nil
}

func resumes(how string, code uint32, status int) func(*session) error {
	return func(s *session) error {
		t, err := s.subscribe(how)
		var ended struct{ Exit int }
		if err := errors.Join(err, ask("/restart?how="+how, "", &ended)); err != nil {
			return err
		}
		back := func() (yes bool) {
			t.locked(func() { yes = t.replies == 2 && s.connects() == 2 })
			return yes
		}
		if err := conductor.Until(back, "reconnected and subscribed", 30*time.Second); err != nil {
			return err
		}
		if s.connecting[1] != code || ended.Exit != status {
			return fmt.Errorf("connecting code %d, exit %d, expected %d and %d", s.connecting[1], ended.Exit, code, status)
		}
		return errors.Join(
			ask("/publish?count=100&topic="+how, "", nil),
			t.received(numbers(100), "after the restart"))
	}
}

// terminal bypasses the SDK and writes a masked text frame that is not a command.
func terminal(s *session) error {
	if _, err := s.socket.Write([]byte{0x81, 0x81, 0, 0, 0, 0, 'x'}); err != nil {
		return err
	}
	ended := func() bool { return s.client.State() == centrifuge.StateDisconnected }
	if err := conductor.Until(ended, "disconnected", conductor.Wait); err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // longer than the first reconnect delay
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.disconnected[0]; code < 3500 || code > 3999 || s.connected != 1 {
		return fmt.Errorf("disconnected with %d, %d connects", code, s.connected)
	}
	return nil
}

func main() {
	checks := []struct {
		name string
		body func(*session) error
	}{
		{"connect", func(*session) error { return nil }},
		{"1,000 messages in order", inOrder},
		{"several topics", severalTopics},
		{"no message after unsubscribe", unsubscribe},
		{"unicode", payload("unicode", "naïve Ωμέγα 日本語 עברית नमस्ते 👩‍👩‍👧‍👦 \"quoted\" \\ \u2028 \x00 \U0010ffff")},
		{"large payload", payload("large", strings.Repeat("日本語 ", 60_000))},
		{"an invalid topic gets error 107", invalidTopic},
		{"publish gets error 103 unless allowed", publish},
		{"pings are answered", pings},
		{"reconnect and resubscribe after kill -9", resumes("kill", 1, -9)},
		{"a drain closes with 3001, then reconnect", resumes("drain", 3001, 0)},
		{"a terminal code ends the client", terminal},
	}
	for _, each := range checks {
		conductor.Check(each.name, func() error {
			s, err := open()
			if err != nil {
				return err
			}
			defer s.client.Close()
			return each.body(s)
		})
	}
	conductor.Done()
}
