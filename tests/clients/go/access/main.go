// The checks of access.py with centrifuge-go. Arguments: client URL, json or protobuf, secret.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	centrifuge "github.com/centrifugal/centrifuge-go"

	conductor "fanfare/clients"
)

var url, form, secret = os.Args[1], os.Args[2], os.Args[3]

type claims map[string]any

func token(content claims, secret string) (string, error) {
	encoded := base64.RawURLEncoding
	text, err := json.Marshal(content)
	signed := encoded.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encoded.EncodeToString(text)
	signature := hmac.New(sha256.New, []byte(secret))
	signature.Write([]byte(signed))
	return signed + "." + encoded.EncodeToString(signature.Sum(nil)), err
}

// ann returns a token of the user ann with further claims.
func ann(content claims) (string, error) {
	all := claims{"sub": "ann"}
	for name, value := range content {
		all[name] = value
	}
	return token(all, secret)
}

func after(seconds int64) int64 {
	return time.Now().Unix() + seconds
}

// events records what happens to a client or a subscription.
type events struct {
	mu       sync.Mutex
	fetched  int
	entered  int
	entering []uint32
	codes    []uint32
	got      []string
}

func (e *events) locked(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
}

// until waits until condition holds, with the lock held during each test.
func (e *events) until(condition func() bool, what string) error {
	return conductor.Until(func() (holds bool) {
		e.locked(func() { holds = condition() })
		return holds
	}, what, conductor.Wait)
}

// fetch counts a fetch and returns the token that make returns for its number.
func (e *events) fetch(make func(number int) (string, error)) (string, error) {
	var number int
	e.locked(func() { e.fetched++; number = e.fetched })
	return make(number)
}

type session struct {
	events
	client *centrifuge.Client
}

type topic struct {
	events
}

// open connects a client. make returns the token of each fetch.
func open(make func(number int) (string, error)) (*session, error) {
	s := &session{}
	config := centrifuge.Config{
		GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) { return s.fetch(make) },
	}
	if form == "protobuf" {
		s.client = centrifuge.NewProtobufClient(url, config)
	} else {
		s.client = centrifuge.NewJsonClient(url, config)
	}
	s.client.OnConnected(func(centrifuge.ConnectedEvent) { s.locked(func() { s.entered++ }) })
	s.client.OnConnecting(func(e centrifuge.ConnectingEvent) {
		s.locked(func() { s.entering = append(s.entering, e.Code) })
	})
	s.client.OnDisconnected(func(e centrifuge.DisconnectedEvent) {
		s.locked(func() { s.codes = append(s.codes, e.Code) })
	})
	s.client.OnPublication(func(e centrifuge.ServerPublicationEvent) {
		s.locked(func() { s.got = append(s.got, string(e.Data)) })
	})
	return s, s.client.Connect()
}

// connected opens a client and waits until it is connected.
func connected(make func(number int) (string, error)) (*session, error) {
	s, err := open(make)
	return s, errors.Join(err, s.until(func() bool { return s.entered > 0 }, "connected"))
}

func always(content claims) func(int) (string, error) {
	return func(int) (string, error) { return ann(content) }
}

// subscribe subscribes. make returns the token of each fetch, or is nil.
func (s *session) subscribe(name string, make func(number int) (string, error)) (*topic, error) {
	t, config := &topic{}, centrifuge.SubscriptionConfig{}
	if make != nil {
		config.GetToken = func(centrifuge.SubscriptionTokenEvent) (string, error) { return t.fetch(make) }
	}
	subscription, err := s.client.NewSubscription(name, config)
	if err != nil {
		return nil, err
	}
	subscription.OnSubscribed(func(centrifuge.SubscribedEvent) { t.locked(func() { t.entered++ }) })
	subscription.OnSubscribing(func(e centrifuge.SubscribingEvent) {
		t.locked(func() { t.entering = append(t.entering, e.Code) })
	})
	subscription.OnUnsubscribed(func(e centrifuge.UnsubscribedEvent) {
		t.locked(func() { t.codes = append(t.codes, e.Code) })
	})
	subscription.OnPublication(func(e centrifuge.PublicationEvent) {
		t.locked(func() { t.got = append(t.got, string(e.Data)) })
	})
	return t, subscription.Subscribe()
}

// publish checks the code of the error of a publication, which is 0 without an error.
func (s *session) publish(topic string, expected uint32) error {
	ctx, cancel := context.WithTimeout(context.Background(), conductor.Wait)
	defer cancel()
	_, err := s.client.Publish(ctx, topic, []byte(`1`))
	var refusal *centrifuge.Error
	if errors.As(err, &refusal) && refusal.Code == expected || err == nil && expected == 0 {
		return nil
	}
	return fmt.Errorf("publish to %s: %v, expected code %d", topic, err, expected)
}

func fetchedAgain() error {
	s, err := connected(func(number int) (string, error) {
		if number == 1 {
			return ann(claims{"exp": after(-5)})
		}
		return ann(nil)
	})
	defer s.client.Close()
	if s.fetched != 2 {
		err = errors.Join(err, fmt.Errorf("fetched %d times", s.fetched))
	}
	return err
}

func falseToken() error {
	s, err := open(func(int) (string, error) {
		return token(claims{"sub": "ann"}, "another secret of at least 32 bytes")
	})
	defer s.client.Close()
	err = errors.Join(err, s.until(func() bool { return len(s.codes) > 0 }, "disconnected"))
	if err == nil && s.codes[0] != 3500 {
		return fmt.Errorf("codes %v", s.codes)
	}
	return err
}

func refreshed() error {
	s, err := connected(func(int) (string, error) { return ann(claims{"exp": after(2)}) })
	defer s.client.Close()
	err = errors.Join(err, s.until(func() bool { return s.fetched >= 3 }, "a third fetch"))
	s.locked(func() {
		if s.entered != 1 {
			err = errors.Join(err, fmt.Errorf("connected %d times", s.entered))
		}
	})
	return err
}

// expires returns the claim exp of each token of a client whose first refresh fails.
func expires(number int) int64 {
	switch number {
	case 1:
		return after(2)
	case 2:
		return after(-5)
	}
	return after(600)
}

// enteredAgain waits for a second success after an end with code.
func (e *events) enteredAgain(code uint32) error {
	err := e.until(func() bool { return e.entered == 2 }, "entered again")
	e.locked(func() {
		if len(e.entering) != 2 || e.entering[1] != code {
			err = errors.Join(err, fmt.Errorf("codes %v, expected %d", e.entering, code))
		}
	})
	return err
}

func expiredRefresh() error {
	s, err := open(func(number int) (string, error) { return ann(claims{"exp": expires(number)}) })
	defer s.client.Close()
	return errors.Join(err, s.enteredAgain(3005))
}

func expiredSubRefresh() error {
	s, err := connected(always(nil))
	defer s.client.Close()
	t, second := s.subscribe("$news:2", func(number int) (string, error) {
		return token(claims{"sub": "ann", "channel": "$news:2", "exp": expires(number)}, secret)
	})
	if err := errors.Join(err, second); err != nil {
		return err
	}
	return t.enteredAgain(2501)
}

func serverSide() error {
	s, err := connected(always(claims{"channels": []string{"chat:server"}}))
	defer s.client.Close()
	return errors.Join(err, s.publish("chat:server", 0),
		s.until(func() bool { return len(s.got) == 1 && s.got[0] == "1" }, "a publication"))
}

func private() error {
	s, err := connected(always(nil))
	defer s.client.Close()
	refused, second := s.subscribe("$news:refused", nil)
	if err := errors.Join(err, second); err != nil {
		return err
	}
	err = refused.until(func() bool { return len(refused.codes) > 0 }, "refused")
	granted, second := s.subscribe("$news:1", func(number int) (string, error) {
		expires := after(2)
		if number == 1 {
			expires = after(-5)
		}
		return token(claims{"sub": "ann", "channel": "$news:1", "exp": expires}, secret)
	})
	if err := errors.Join(err, second); err != nil {
		return err
	}
	err = granted.until(func() bool { return granted.fetched >= 4 }, "a fourth fetch")
	granted.locked(func() {
		if granted.entered != 1 {
			err = errors.Join(err, fmt.Errorf("subscribed %d times", granted.entered))
		}
	})
	return err
}

func permissions() error {
	s, err := connected(always(nil))
	defer s.client.Close()
	if err != nil {
		return err
	}
	var chat *topic
	for _, name := range []string{"news:1", "inbox:box#ann", "inbox:box#bob,ann", "chat:1"} {
		t, err := s.subscribe(name, nil)
		if err != nil {
			return err
		}
		if err := t.until(func() bool { return t.entered == 1 }, "subscribed to "+name); err != nil {
			return err
		}
		chat = t
	}
	for _, name := range []string{"other", "inbox:box", "inbox:box#bob", "inbox:box#annette"} {
		t, err := s.subscribe(name, nil)
		if err != nil {
			return err
		}
		if err := t.until(func() bool { return len(t.codes) > 0 }, "refused "+name); err != nil {
			return err
		}
	}
	return errors.Join(s.publish("chat:1", 0),
		chat.until(func() bool { return len(chat.got) == 1 }, "a publication"),
		s.publish("news:1", 103), s.publish("chat:2", 103))
}

func main() {
	conductor.Check("a token connects, and an expired one is fetched again", fetchedAgain)
	conductor.Check("a token with another signature ends the client", falseToken)
	conductor.Check("a connection is refreshed before it is closed", refreshed)
	conductor.Check("an expired token in a refresh ends the connection, and the SDK connects again", expiredRefresh)
	conductor.Check("an expired token in a sub_refresh ends the subscription, and the SDK subscribes again", expiredSubRefresh)
	conductor.Check("the server subscribes the client to the topics of its token", serverSide)
	conductor.Check("a private topic needs a subscription token, which is refreshed", private)
	conductor.Check("permissions decide about subscribing and publishing", permissions)
	conductor.Done()
}
