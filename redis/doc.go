// Package redis talks to Redis servers and to Sentinels. It is the only package that opens a connection to one.
//
// It reports what the process answered and decides nothing; "does not answer" is an error and never a role. AskRole changes
// nothing and keeps no connection. A Conn is one connection that is used until it breaks: it reads what a switchover has to
// know, and gives the few orders of which one is made, and those of an agent (redis/order.go lists them all). Every call has a deadline, none is
// tried again, and no error and no log has a password in it.
package redis
