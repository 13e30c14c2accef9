# P-splines by mgcv. Run from this folder: Rscript mgcv.R
# Writes rows.csv (the data) and mgcv.json (fits at fixed strengths and by REML). mgcv divides each penalty by a scale, S.scale; the
# strengths here are for the matrices of differences themselves, in its own unit: deviance + sum of strength * b'Sb.
suppressPackageStartupMessages(library(mgcv))
set.seed(20)
n <- 400
rows <- data.frame(x1 = round(runif(n), 6), x2 = round(rnorm(n), 6), x3 = round(runif(n, -2, 3), 6),
                   g = sample(c("a", "b", "c"), n, replace = TRUE))
f <- sin(7 * rows$x1) + 0.3 * rows$x2^2 + 0.2 * rows$x3
rows$y <- round(f + c(a = 0, b = 0.5, c = 1)[rows$g] * rows$x1 + rnorm(n, sd = 0.4), 6)
rows$b <- rbinom(n, 1, plogis(1.5 * f - 0.7))
rows$n <- rpois(n, exp(0.6 * f + 0.2))
rows$u <- round(sin(4 * rows$x1) * cos(rows$x3) + rnorm(n, sd = 0.3), 6)
# Effects so weak that their p-values lie between 0 and 1.
weak <- 0.12 * sin(7 * rows$x1) + 0.03 * rows$x2^2
rows$wy <- round(weak + rnorm(n, sd = 0.6), 6)
rows$wb <- rbinom(n, 1, plogis(3 * weak))
rows$wn <- rpois(n, exp(weak))
write.csv(rows, "rows.csv", row.names = FALSE, quote = FALSE)
rows$g <- factor(rows$g)
new <- data.frame(x1 = c(-0.1, 0, 0.31, 0.99, 1.2), x2 = c(0, -4, 1, 0.5, 4.5), x3 = c(0, 1, -2.5, 2, 3.4), g = factor(c("a", "b", "c", "a", "b")))

number <- function(values) paste0("[", paste(sprintf("%.17g", values), collapse = ","), "]")
text <- function(values) paste0("[", paste0('"', values, '"', collapse = ","), "]")
record <- function(name, formula, family, sp = NULL) {
  fit <- gam(formula, data = rows, family = family, method = "REML", sp = sp, control = gam.control(epsilon = 1e-12, maxit = 400,
             newton = list(conv.tol = 1e-8)))
  scales <- unlist(lapply(fit$smooth, function(smooth) smooth$S.scale))
  # Tensor products divide each margin's penalty by its largest eigenvalue first.
  margins <- unlist(lapply(fit$smooth, function(smooth) if (is.null(smooth$margin)) 1 else
    sapply(smooth$margin, function(margin) eigen(margin$S[[1]])$values[1])))
  own <- if (is.null(sp)) fit$sp else sp
  said <- summary(fit)
  found <- predict(fit, new, se.fit = TRUE)
  parts <- c(
    sprintf('"name": "%s"', name), paste0('"strengths": ', number(own / (scales * margins))), paste0('"edf": ', number(said$s.table[, 1])),
    paste0('"reference_df": ', number(said$s.table[, 2])), paste0('"statistic": ', number(said$s.table[, 3])),
    paste0('"p": ', number(said$s.table[, 4])), paste0('"terms": ', text(rownames(said$s.table))),
    paste0('"coefficients": ', number(coef(fit))), paste0('"fitted": ', number(fit$linear.predictors[1:40])),
    paste0('"errors": ', number(sqrt(diag(fit$Vp)))), paste0('"new": ', number(found$fit)), paste0('"new_errors": ', number(found$se.fit)),
    paste0('"scale": ', number(fit$sig2)))
  paste0("{", paste(parts, collapse = ", "), "}")
}

two <- function(target) as.formula(paste(target, '~ s(x1, bs = "ps", k = 20) + s(x2, bs = "ps", k = 10) + x3'))
made <- c(
  record("gaussian fixed", two("y"), gaussian(), sp = c(0.7, 3)), record("gaussian", two("y"), gaussian()),
  record("logistic fixed", two("b"), binomial(), sp = c(0.7, 3)), record("logistic", two("b"), binomial()),
  record("poisson fixed", two("n"), poisson(), sp = c(0.7, 3)), record("poisson", two("n"), poisson()),
  record("weak gaussian", two("wy"), gaussian()), record("weak logistic", two("wb"), binomial()),
  record("weak poisson", two("wn"), poisson()), record("weak poisson fixed", two("wn"), poisson(), sp = c(20, 30)),
  record("weak gaussian fixed", two("wy"), gaussian(), sp = c(20, 30)),
  record("by levels", y ~ g + s(x1, by = g, bs = "ps", k = 8) + s(x2, bs = "ps", k = 8), gaussian()),
  record("by number", y ~ s(x1, bs = "ps", k = 8) + s(x2, by = x3, bs = "ps", k = 8), gaussian()),
  record("surface fixed", u ~ te(x1, x3, bs = "ps", k = 6, np = FALSE), gaussian(), sp = c(0.5, 0.05)),
  record("surface", u ~ te(x1, x3, bs = "ps", k = 6, np = FALSE), gaussian()))
writeLines(paste0('{"made by": "', R.version.string, ', mgcv ', packageVersion("mgcv"), '",\n "fits": [\n',
                  paste(made, collapse = ",\n"), "\n]}"), "mgcv.json")
