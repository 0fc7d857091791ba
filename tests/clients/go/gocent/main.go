// gocent against the server API, in the older form. Arguments: API URL, key, control URL.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/centrifugal/gocent/v3"

	conductor "fanfare/clients"
)

const messages = 100

var url, key, control = os.Args[1], os.Args[2], os.Args[3]
var ctx = context.Background()

// connect returns a client that waits longer for an answer than the default of one second.
func connect(key string) *gocent.Client {
	limited := &http.Client{Timeout: conductor.Wait}
	return gocent.New(gocent.Config{Addr: url, Key: key, HTTPClient: limited})
}

var client = connect(key)

func data(from string, n int) []byte {
	return fmt.Appendf(nil, `{"from":"gocent %s","n":%d}`, from, n)
}

// arrived checks that a client received 0 to count-1 in order.
func arrived(from string, count int) error {
	var numbers []int
	path := fmt.Sprintf("/received?from=gocent+%s&count=%d", from, count)
	if err := conductor.Ask(control, path, nil, &numbers); err != nil {
		return err
	}
	for n := range count {
		if n >= len(numbers) || numbers[n] != n {
			return fmt.Errorf("arrived: %v", numbers)
		}
	}
	return nil
}

// code returns the code of an error in an answer, and 0 without an error.
func code(err error) int {
	var refusal *gocent.Error
	if errors.As(err, &refusal) && refusal.Message != "" {
		return refusal.Code
	}
	if err != nil {
		return -1
	}
	return 0
}

func publish() error {
	for n := range messages {
		if _, err := client.Publish(ctx, "from", data("publish", n), gocent.WithSkipHistory(true)); err != nil {
			return err
		}
	}
	return arrived("publish", messages)
}

func broadcast() error {
	result, err := client.Broadcast(ctx, []string{"from", "", "other"}, data("broadcast", 0))
	if err != nil {
		return err
	}
	if len(result.Responses) != 3 {
		return fmt.Errorf("%d responses", len(result.Responses))
	}
	for index, expected := range []int{0, 107, 0} {
		got := 0
		if refusal := result.Responses[index].Error; refusal != nil {
			got = refusal.Code
		}
		if got != expected {
			return fmt.Errorf("response %d: code %d, expected %d", index, got, expected)
		}
	}
	return arrived("broadcast", 1)
}

func pipe() error {
	pipe := client.Pipe()
	for n := range messages {
		if err := pipe.AddPublish("from", data("pipe", n)); err != nil {
			return err
		}
	}
	if err := errors.Join(pipe.AddPresence("from"), pipe.AddInfo()); err != nil {
		return err
	}
	replies, err := client.SendPipe(ctx, pipe)
	if err != nil {
		return err
	}
	for index, reply := range replies {
		isPresence := index == messages
		if isPresence != (reply.Error != nil) || isPresence && reply.Error.Code != 108 {
			return fmt.Errorf("reply %d: %v", index, reply.Error)
		}
	}
	return arrived("pipe", messages)
}

func channelsAndInfo() error {
	found, err := client.Channels(ctx, gocent.WithPattern("fr*"))
	if err != nil {
		return err
	}
	if _, exists := found.Channels["from"]; !exists || len(found.Channels) != 1 {
		return fmt.Errorf("channels: %v", found.Channels)
	}
	info, err := client.Info(ctx)
	if err != nil {
		return err
	}
	if len(info.Nodes) != 1 || info.Nodes[0].UID == "" || info.Nodes[0].Version == "" {
		return fmt.Errorf("info: %v", info)
	}
	return nil
}

func missing() error {
	calls := map[string]func() error{
		"presence":       func() error { _, err := client.Presence(ctx, "a"); return err },
		"presence_stats": func() error { _, err := client.PresenceStats(ctx, "a"); return err },
		"history":        func() error { _, err := client.History(ctx, "a"); return err },
		"history_remove": func() error { return client.HistoryRemove(ctx, "a") },
	}
	for name, call := range calls {
		if got := code(call()); got != 108 {
			return fmt.Errorf("%s: code %d, expected 108", name, got)
		}
	}
	_, err := client.Publish(ctx, strings.Repeat("x", 256), []byte("{}"))
	if got := code(err); got != 107 {
		return fmt.Errorf("publish: code %d, expected 107", got)
	}
	return nil
}

// users checks that what acts on a user without connections succeeds.
func users() error {
	custom := gocent.WithDisconnect(&gocent.Disconnect{Code: 4000, Reason: "over"})
	return errors.Join(
		client.Subscribe(ctx, "a", "u"),
		client.Unsubscribe(ctx, "a", "u"),
		client.Disconnect(ctx, "u"),
		client.Disconnect(ctx, "u", custom),
	)
}

func wrongKey() error {
	_, err := connect(key + "x").Info(ctx)
	var status gocent.ErrStatusCode
	if !errors.As(err, &status) || status.Code != http.StatusUnauthorized {
		return fmt.Errorf("got %v, expected the status 401", err)
	}
	return nil
}

func main() {
	time.AfterFunc(2*time.Minute, func() { os.Exit(1) })
	conductor.Check("publish", publish)
	conductor.Check("broadcast: one response per channel", broadcast)
	conductor.Check("a pipe of commands", pipe)
	conductor.Check("channels and info", channelsAndInfo)
	conductor.Check("errors have their codes", missing)
	conductor.Check("acting on a user without connections", users)
	conductor.Check("a wrong key is refused", wrongKey)
	conductor.Done()
}
