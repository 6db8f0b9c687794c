// Command probe runs in the pods of the cluster's tests.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: probe exit|read|serve|postgres ARGUMENT")
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(command, argument string) error {
	switch command {
	case "exit":
		code, err := strconv.Atoi(argument)
		if err != nil {
			return err
		}
		fmt.Println("leaving with", code)
		os.Exit(code)
	case "read":
		text, err := os.ReadFile(argument)
		fmt.Print(string(text))
		return err
	case "serve":
		return http.ListenAndServe(argument, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "served")
		}))
	case "postgres":
		return postgres(argument)
	}
	return fmt.Errorf("unknown command %q", command)
}

// postgres checks that the server at address answers an SSLRequest of PostgreSQL's protocol.
func postgres(address string) error {
	conn, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil {
		return err
	}
	answer := make([]byte, 1)
	if _, err := conn.Read(answer); err != nil {
		return err
	}
	fmt.Printf("answered %s\n", answer)
	return nil
}
