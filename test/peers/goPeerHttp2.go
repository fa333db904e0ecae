// HTTP/2 without TLS for the target, where the library has it by itself.

//go:build go1.24

package main

import "net/http"

func init() {
	improve = func(server *http.Server) {
		server.Protocols = new(http.Protocols)
		server.Protocols.SetHTTP1(true)
		server.Protocols.SetUnencryptedHTTP2(true)
	}
}
