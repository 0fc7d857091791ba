// Inflates messages as gorilla/websocket and coder/websocket do. Standard input: records of one
// byte (window bits), the payload and the message, each after its length in 4 bytes. Run by
// tests/wire/inflaters.rs.
package main

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	flush = "\x00\x00\xff\xff"
	end   = "\x01\x00\x00\xff\xff"
)

func check(inflated, message []byte, err error, what string, count int) {
	if err != nil || !bytes.Equal(inflated, message) {
		fmt.Fprintf(os.Stderr, "message %d, %s: %d bytes of %d, %v\n",
			count, what, len(inflated), len(message), err)
		os.Exit(1)
	}
}

// By itself, and with a last block after it, so that the reader ends.
func fresh(payload []byte) ([]byte, error) {
	input := io.MultiReader(bytes.NewReader(payload), strings.NewReader(flush+end))
	return io.ReadAll(flate.NewReader(input))
}

// With what came before as the dictionary. Nothing ends the stream but its input.
func takenOver(reader io.ReadCloser, payload, dictionary []byte) ([]byte, error) {
	input := io.MultiReader(bytes.NewReader(payload), strings.NewReader(flush))
	if err := reader.(flate.Resetter).Reset(input, dictionary); err != nil {
		return nil, err
	}
	inflated, err := io.ReadAll(reader)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return inflated, nil
	}
	return inflated, fmt.Errorf("no end without a last block, but %v", err)
}

func part(data []byte) (part, rest []byte) {
	length := binary.BigEndian.Uint32(data)
	return data[4 : 4+length], data[4+length:]
}

func main() {
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	reader := flate.NewReader(nil)
	var payload, message, dictionary []byte
	count := 0
	for len(data) > 0 {
		payload, data = part(data[1:])
		message, data = part(data)
		inflated, err := fresh(payload)
		check(inflated, message, err, "by itself", count)
		inflated, err = takenOver(reader, payload, dictionary)
		check(inflated, message, err, "with takeover", count)
		dictionary = append(dictionary, message...)
		dictionary = dictionary[max(0, len(dictionary)-32*1024):]
		count++
	}
	fmt.Printf("%d inflated, %d with takeover\n", count, count)
}
