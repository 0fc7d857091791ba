// go-zeromq/zmq4 on PUSH, PUB, REQ and DEALER. Arguments: pull, sub, router, control URL.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-zeromq/zmq4"

	conductor "fanfare/clients"
)

const messages = 100

var pull, sub, router, control = os.Args[1], os.Args[2], os.Args[3], os.Args[4]

func publication(from string, n int) (topic, payload string) {
	return "from", fmt.Sprintf(`{"from":"go %s","n":%d}`, from, n)
}

func dial(socket zmq4.Socket, endpoint string) (zmq4.Socket, error) {
	return socket, socket.Dial(endpoint)
}

func send(socket zmq4.Socket, frames ...string) error {
	return socket.SendMulti(zmq4.NewMsgFromString(frames))
}

// exchange sends one request and returns the reply's frames.
func exchange(socket zmq4.Socket, frames ...string) ([]string, error) {
	if err := send(socket, frames...); err != nil {
		return nil, err
	}
	reply, err := socket.Recv()
	texts := make([]string, len(reply.Frames))
	for index, frame := range reply.Frames {
		texts[index] = string(frame)
	}
	return texts, err
}

func expect(got []string, want ...string) error {
	if !slices.Equal(got, want) {
		return fmt.Errorf("got %q, expected %q", got, want)
	}
	return nil
}

// arrived checks that a client received 0 to messages-1 in order. The probes of PUB (-1) are ignored.
func arrived(from string) error {
	var numbers []int
	path := fmt.Sprintf("/received?from=go+%s&count=%d", from, messages)
	for range 200 {
		if err := conductor.Ask(control, path, nil, &numbers); err != nil {
			return err
		}
		numbers = slices.DeleteFunc(numbers, func(n int) bool { return n < 0 })
		if len(numbers) >= messages {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	for n := range messages {
		if n >= len(numbers) || numbers[n] != n {
			return fmt.Errorf("arrived: %v", numbers)
		}
	}
	return nil
}

func push() error {
	socket, err := dial(zmq4.NewPush(context.Background()), pull)
	defer socket.Close()
	for n := range messages {
		topic, payload := publication("push", n)
		err = errors.Join(err, send(socket, topic, payload))
	}
	return errors.Join(err, arrived("push"))
}

// pub sends probes until the subscription has reached the PUB socket, which drops messages before that.
func pub() error {
	socket, err := dial(zmq4.NewPub(context.Background()), sub)
	defer socket.Close()
	for seen := 0; seen == 0 && err == nil; {
		topic, payload := publication("pub", -1)
		var numbers []int
		err = errors.Join(send(socket, topic, payload),
			conductor.Ask(control, "/received?from=go+pub&count=0", nil, &numbers))
		seen = len(numbers)
		time.Sleep(20 * time.Millisecond)
	}
	for n := range messages {
		topic, payload := publication("pub", n)
		err = errors.Join(err, send(socket, topic, payload))
	}
	return errors.Join(err, arrived("pub"))
}

func req() error {
	socket, err := dial(zmq4.NewReq(context.Background()), router)
	if err != nil {
		return err
	}
	defer socket.Close()
	for n := range messages {
		topic, payload := publication("req", n)
		reply, err := exchange(socket, topic, payload)
		if err := errors.Join(err, expect(reply, "ok")); err != nil {
			return err
		}
	}
	refusal, err := exchange(socket, strings.Repeat("x", 256), "{}")
	if err != nil || len(refusal) != 3 || refusal[0] != "error" || refusal[1] == "" || refusal[2] == "" {
		return fmt.Errorf("bad topic: %q %w", refusal, err)
	}
	return arrived("req")
}

func dealer() error {
	socket, err := dial(zmq4.NewDealer(context.Background()), router)
	if err != nil {
		return err
	}
	defer socket.Close()
	for n := range messages {
		topic, payload := publication("dealer", n)
		reply, err := exchange(socket, "route", "\x00\xff", fmt.Sprint(n), "", topic, payload)
		if err := errors.Join(err, expect(reply, "route", "\x00\xff", fmt.Sprint(n), "", "ok")); err != nil {
			return err
		}
	}
	return arrived("dealer")
}

func main() {
	conductor.Check("PUSH", push)
	conductor.Check("PUB", pub)
	conductor.Check("REQ: replies, errors", req)
	conductor.Check("DEALER: the reply repeats the leading frames", dealer)
	conductor.Done()
}
