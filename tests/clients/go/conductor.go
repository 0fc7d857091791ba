// Package conductor is shared by the Go programs: requests to the conductor, waiting, reporting.
package conductor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Wait is how long a check waits for what it expects.
const Wait = 15 * time.Second

// Ask posts a request to the conductor at base and decodes the response into answer, unless it is nil.
func Ask(base, path string, body []byte, answer any) error {
	reply, err := http.Post(base+path, "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		return err
	}
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// Until waits for condition. After limit it returns an error that contains what.
func Until(condition func() bool, what string, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for !condition() {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %v for %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

var failed bool

// Check runs one check and prints its line.
func Check(name string, body func() error) {
	if err := body(); err != nil {
		failed = true
		fmt.Printf("not ok %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	fmt.Printf("ok %s\n", name)
}

// Done prints the last line and ends the program with exit code 1 if a check failed.
func Done() {
	fmt.Println("done")
	if failed {
		os.Exit(1)
	}
}
