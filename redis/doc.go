// Package redis asks a Redis what it is. It is the only package that opens a connection to one.
//
// It reports what the process answered and decides nothing; "does not answer" is an error and never a role. It changes
// nothing in the Redis that it asks, and keeps no connection.
package redis
