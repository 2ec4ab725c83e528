import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformationVerifier;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.tsp.TimeStampRequest;
import org.bouncycastle.tsp.TimeStampResponse;
import org.bouncycastle.tsp.TimeStampToken;

/**
 * BouncyCastle's verdict on timestamps. Arguments in groups of three: a TimeStampReq, a TimeStampResp and the signer's
 * certificate as PEM; or `-`, a bare token and the certificate. One line is printed for each group, in their order:
 * {@code accepted}, or {@code refused: } and what BouncyCastle said. The exit code is 1 if any was refused.
 *
 * <p>The chain of certificates is not checked here, only the response, the token and the signer's own certificate.
 */
public final class ValidateTokens {
    private ValidateTokens() {}

    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 0 || arguments.length % 3 != 0) {
            System.err.println("usage: ValidateTokens (REQUEST|- REPLY|TOKEN CERTIFICATE)...");
            System.exit(2);
        }
        Security.addProvider(new BouncyCastleProvider());
        boolean allAccepted = true;
        for (int i = 0; i < arguments.length; i += 3) {
            try {
                validate(arguments[i], Path.of(arguments[i + 1]), Path.of(arguments[i + 2]));
                System.out.println("accepted");
            } catch (Exception exception) {
                allAccepted = false;
                System.out.println("refused: " + exception.toString().replace('\n', ' '));
            }
        }
        System.exit(allAccepted ? 0 : 1);
    }

    private static void validate(String request, Path reply, Path certificate) throws Exception {
        byte[] bytes = Files.readAllBytes(reply);
        TimeStampToken token;
        if (request.equals("-")) {
            token = new TimeStampToken(new CMSSignedData(bytes));
        } else {
            TimeStampResponse response = new TimeStampResponse(bytes);
            response.validate(new TimeStampRequest(Files.readAllBytes(Path.of(request))));
            token = response.getTimeStampToken();
        }
        token.validate(verifier(certificate));
    }

    private static SignerInformationVerifier verifier(Path certificate) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509", BouncyCastleProvider.PROVIDER_NAME);
        try (InputStream pem = Files.newInputStream(certificate)) {
            X509Certificate signer = (X509Certificate) factory.generateCertificate(pem);
            return new JcaSimpleSignerInfoVerifierBuilder()
                    .setProvider(BouncyCastleProvider.PROVIDER_NAME)
                    .build(signer);
        }
    }
}
