package v1alpha1

// RedisAccess says how to log in to Redis servers or to Sentinels. Secrets are those of the set's namespace.
//
// +kubebuilder:validation:XValidation:rule="!has(self.username) || has(self.password)",message="username needs password"
type RedisAccess struct {
	// username of an ACL; without it the default user.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9@_.:-]+$`
	// +optional
	Username string `json:"username,omitempty"`
	// password is where the password is.
	// +optional
	Password *SecretKey `json:"password,omitempty"`
	// tls has the connection encrypted.
	// +optional
	TLS *RedisTLS `json:"tls,omitempty"`
}

// SecretKey is one value in a Secret.
type SecretKey struct {
	// name of the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`
	// +required
	Name string `json:"name"`
	// key in the Secret.
	// +kubebuilder:default=password
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._-]+$`
	// +optional
	Key string `json:"key,omitempty"`
}

// RedisTLS says whose certificates are trusted, and which one is shown.
type RedisTLS struct {
	// secretName is a Secret with the roots in ca.crt.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`
	// +required
	SecretName string `json:"secretName"`
	// clientCertificate says that the Secret also has tls.crt and tls.key, which are shown to the server.
	// +optional
	ClientCertificate bool `json:"clientCertificate,omitempty"`
	// serverName is the name in the server's certificate; without it the host of its address, which for the agent of an instance is
	// 127.0.0.1.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)?$`
	// +optional
	ServerName string `json:"serverName,omitempty"`
}
