# Paths of glmnet (R) on a small fixed data set, for tests/reference: Rscript tests/reference/glmnet_paths.R > tests/reference/glmnet_paths.json
# The data are those of glmnet_data() in tests/solvers/test_reference_paths.py, which can be made anew in both languages.
suppressMessages(library(glmnet))
n <- 150; p <- 8
i <- rep(seq_len(n), p); j <- rep(seq_len(p), each = n)
x <- matrix(sin(0.7 * i * j) + cos(1.3 * i + 2.1 * j), n, p)
eta <- x[, 1] - 0.8 * x[, 3] + 0.3 * x[, 6]
u <- (seq_len(n) * 0.6180339887498949) %% 1
logistic <- as.numeric(u < 1 / (1 + exp(-eta)))
counts <- floor(exp(0.5 * eta) * (0.5 + 2 * u))
number <- function(v) paste0("[", paste(formatC(v, digits = 17, format = "g"), collapse = ", "), "]")
answer <- function(name, family, y) {
  fit <- glmnet(x, y, family = family, standardize = FALSE, nlambda = 40, thresh = 1e-14, maxit = 1e7)
  rows <- apply(as.matrix(rbind(fit$a0, fit$beta)), 2, number)
  sprintf('"%s": {"strengths": %s, "coefficients": [%s]}', name, number(fit$lambda), paste(rows, collapse = ", "))
}
cat("{\n", sprintf('"program": "glmnet %s, thresh 1e-14, standardize FALSE",\n', packageVersion("glmnet")),
    answer("logistic", "binomial", logistic), ",\n", answer("poisson", "poisson", counts), "\n}\n", sep = "")
