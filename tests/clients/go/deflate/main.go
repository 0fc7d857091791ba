// gorilla/websocket and coder/websocket in the deflate check. In both, compression is off by default.
// Arguments: gorilla or coder, raw URL.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

const (
	mark      = 500 // the same as in corpus.py
	extension = "Sec-WebSocket-Extensions"
)

// Chain is SHA-256 over the previous digest, the length (4 bytes, big-endian) and the bytes.
type Chain struct {
	Count  int      `json:"count"`
	Digest string   `json:"digest"`
	Marks  []string `json:"marks"`
	last   [sha256.Size]byte
}

func (chain *Chain) add(data []byte) {
	hash := sha256.New()
	hash.Write(chain.last[:])
	hash.Write(binary.BigEndian.AppendUint32(nil, uint32(len(data))))
	hash.Write(data)
	hash.Sum(chain.last[:0])
	chain.Count++
	chain.Digest = hex.EncodeToString(chain.last[:])
	if chain.Count%mark == 0 {
		chain.Marks = append(chain.Marks, chain.Digest)
	}
}

func report(key string, value any) {
	line, err := json.Marshal(map[string]any{key: value})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

// next returns a message and whether it is text.
type next func() (data []byte, text bool, err error)

func dialGorilla(url string) (next, http.Header, error) {
	dialer := gorilla.Dialer{EnableCompression: true}
	socket, answer, err := dialer.Dial(url, nil)
	if err != nil {
		return nil, nil, err
	}
	return func() ([]byte, bool, error) {
		kind, data, err := socket.ReadMessage()
		return data, kind == gorilla.TextMessage, err
	}, answer.Header, nil
}

func dialCoder(url string) (next, http.Header, error) {
	options := coder.DialOptions{CompressionMode: coder.CompressionContextTakeover}
	socket, answer, err := coder.Dial(context.Background(), url, &options)
	if err != nil {
		return nil, nil, err
	}
	socket.SetReadLimit(-1)
	return func() ([]byte, bool, error) {
		kind, data, err := socket.Read(context.Background())
		return data, kind == coder.MessageText, err
	}, answer.Header, nil
}

// receive adds binary and text messages to separate digests, until an empty message of each kind.
func receive(url string) error {
	dial := map[string]func(string) (next, http.Header, error){"gorilla": dialGorilla, "coder": dialCoder}[os.Args[1]]
	read, header, err := dial(url)
	if err != nil {
		return err
	}
	report("open", header.Get(extension))
	chains := map[string]*Chain{"binary": {}, "text": {}}
	for open := 2; open > 0; {
		data, text, err := read()
		switch {
		case err != nil:
			return err
		case len(data) == 0:
			open--
		case text:
			chains["text"].add(data)
		default:
			chains["binary"].add(data)
		}
	}
	report("done", chains)
	return nil
}

func main() {
	if err := receive(os.Args[2]); err != nil {
		report("fault", err.Error())
	}
}
